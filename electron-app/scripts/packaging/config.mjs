// electron-builder's configuration, one for every system. Pure.

/** 512 × 512 pixels; electron-builder makes the other systems' formats of it. Relative to the app's folder. */
export const icon = "src/renderer/icon.png";

/**
 * `fallbackDist`: the folder of the fallback Electron runtime when that is what is packaged, else undefined.
 * `fallbackVersion`: its version. A package with it is for tests only.
 */
export function builderConfig({ fallbackDist, fallbackVersion } = {}) {
  const suffix = artifactSuffix(Boolean(fallbackDist));
  return {
    appId: "dev.tidecast.app",
    productName: "Tidecast",
    executableName: "tidecast-desktop", // `tidecast` is the command line
    copyright: "The Tidecast contributors",
    artifactName: "tidecast-${version}-${os}-${arch}" + suffix + ".${ext}",
    directories: { output: "dist", buildResources: "scripts/packaging" }, // its default, build/, is where the bundle lies
    icon,
    // Everything else is bundled: no node_modules in the package.
    files: ["package.json", "build/**/*", "native/*.node", "THIRD_PARTY_NOTICES.md", "!**/*.map", "!node_modules"],
    asar: true,
    asarUnpack: ["native/*.node"], // the system's loader opens files, not archives
    npmRebuild: false, // the addon is built by set-up, for N-API
    publish: null,
    ...(fallbackDist
      ? { electronDist: fallbackDist, electronVersion: fallbackVersion }
      : {
          electronFuses: {
            runAsNode: true, // the engine host is a fork of the app that runs as Node
            enableNodeOptionsEnvironmentVariable: false,
            enableNodeCliInspectArguments: false,
            onlyLoadAppFromAsar: true,
          },
        }),
    linux: { target: "dir", category: "AudioVideo" },
    win: { target: "nsis" },
    mac: {
      target: "dmg",
      category: "public.app-category.video",
      minimumSystemVersion: "14.6", // the addon links what the system has since then: screen pictures, taps of its sound
      entitlements: "scripts/packaging/entitlements.mac.plist",
      entitlementsInherit: "scripts/packaging/entitlements.mac.plist", // the engine host is a helper process
      // The words under the system's own questions. Without them macOS ends a program that asks.
      extendInfo: {
        NSMicrophoneUsageDescription: "Tidecast streams the microphone that you choose.",
        NSCameraUsageDescription: "Tidecast streams the camera that you choose.",
        NSAudioCaptureUsageDescription: "Tidecast streams the sound of this computer when you choose it.",
        NSScreenCaptureUsageDescription: "Tidecast streams the screen or window that you choose.",
      },
    },
  };
}

/** Nothing packaged with the old runtime may be mistaken for a release. */
export function artifactSuffix(fallback) {
  return fallback ? "-oldelectron-test-only" : "";
}

/** What shares the screen of a Wayland session: opened where it is there, so that nothing stops where it is not. */
export const waylandPackages = "libpipewire-0.3-0t64 | libpipewire-0.3-0, libpipewire-0.3-modules, xdg-desktop-portal";

/** The control file of the .deb. `depends` is what dpkg-shlibdeps found; `sizeKb` the installed size. */
export function debControl({ version, architecture, depends, sizeKb, fallback }) {
  const warning = fallback ? "\n .\n TEST ONLY: packaged with an old Electron runtime. Do not distribute." : "";
  return `Package: tidecast
Version: ${version}${fallback ? "~oldelectron" : ""}
Architecture: ${architecture}
Maintainer: The Tidecast contributors <noreply@tidecast.invalid>
Installed-Size: ${sizeKb}
Depends: ${depends}
Recommends: ${waylandPackages}
Section: video
Priority: optional
Description: desktop capture and live streaming
 Captures the desktop with its sound and streams it with low latency, to a WHIP
 address or to viewers on the local network. This build links x264 and is
 therefore distributed under the GPL; the sources are under the MIT licence.${warning}
`;
}

/** The names in a `Depends` line, without versions; of alternatives each. */
export function packageNames(depends) {
  return depends.split(/[,|]/).map((each) => each.trim().split(/[\s(:]/)[0]).filter(Boolean);
}

export const desktopEntry = `[Desktop Entry]
Type=Application
Name=Tidecast
Comment=Capture the desktop and stream it
Comment[zh_CN]=采集桌面并直播
Exec=/opt/tidecast/tidecast-desktop %U
Icon=tidecast
Terminal=false
Categories=AudioVideo;Video;Recorder;
StartupWMClass=Tidecast
`;
