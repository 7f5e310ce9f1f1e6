// Which Debian/Ubuntu packages are needed for what, and the pure part of finding out which are missing.
// `a|b` means: whichever of the two this release of the system knows (names changed with 64-bit time).

/** To compile the native part. The FFmpeg script adds its own, see `rust-native/ffmpeg/build --packages`. */
export const buildPackages = [
  "build-essential",
  "pkg-config",
  "cmake", // Opus
  "nasm", // openh264 and x264 are three times slower without it
  "clang", // bindgen, for FFmpeg's headers
  "libclang-dev",
  "libasound2-dev", // cpal
];

/** What Electron's runtime links to. */
export const runtimePackages = [
  "libgtk-3-0t64|libgtk-3-0",
  "libnss3",
  "libgbm1",
  "libasound2t64|libasound2",
  "libxss1",
  "libxtst6",
  "libatk-bridge2.0-0t64|libatk-bridge2.0-0",
  "libcups2t64|libcups2",
  "libdrm2",
  "libxcb-dri3-0",
  "libxkbcommon0",
];

/** A screen for machines that have none. */
export const virtualDisplayPackages = ["xvfb", "openbox"];

/** The rigs of the tests: screens, sound servers, an independent viewer, readers of what we write. */
export const testPackages = [
  ...virtualDisplayPackages,
  "x11-xserver-utils",
  "xdotool",
  "chromium|chromium-browser",
  "ffmpeg",
  "nginx-light|nginx",
  "libnginx-mod-rtmp",
  "srt-tools",
  "janus", // an SFU
  "janus-tools",
  "python3-aiortc", // a WebRTC receiver that is not ours
  "python3-aiohttp",
  "coturn",
  "iproute2", // networks that change, in namespaces
  "stunnel4", // TLS in front of the RTMP server
  "openssl",
  "gstreamer1.0-tools", // reads RTP and recordings, draws what a Wayland desktop shares
  "gstreamer1.0-plugins-base",
  "gstreamer1.0-plugins-good",
  "gstreamer1.0-plugins-bad",
  "gstreamer1.0-plugins-ugly", // x264, for the bench's comparison
  "gstreamer1.0-libav",
  "util-linux", // unshare: disks and networks of the tests' own
  "pipewire",
  "pipewire-pulse",
  "wireplumber",
  "gstreamer1.0-pipewire",
  "python3-dbus", // and the portal before it
  "python3-gi",
  "pulseaudio-utils",
  "dbus",
  "fonts-noto-cjk",
  "imagemagick",
  "zbar-tools",
  "espeak-ng", // speaks what noise suppression is measured on
  "qemu-system-x86", // a machine with a camera, see rust-native/crates/testkit/rigs/camera-vm
  "cpio",
  "valgrind", // counts the instructions of the work on a picture (test:long)
  "systemd", // reads the server's unit file (systemd-analyze)
  "golang-go", // builds pebble, an authority for certificates
  "python3", // computes what scenes have to look like, without our code
];

/** The fallback Electron runtime comes from PyPI. */
export const pipPackages = ["python3", "python3-pip"];

/** Packages whose program may also come from elsewhere: on Ubuntu Chromium is a snap, or Google's build is there. */
const programs = { "chromium|chromium-browser": "chromium", "golang-go": "go" };

/** `wanted` without the packages whose program is there already; `onPath(name)` says whether it is. */
export function withoutPresentPrograms(wanted, onPath) {
  return wanted.filter((each) => !(programs[each] && onPath(programs[each])));
}

/** Every name that could satisfy `wanted`, for one question to dpkg. */
export function allNames(wanted) {
  return [...new Set(wanted.flatMap((each) => each.split("|")))];
}

/** The names that `dpkg-query -W -f '${Package} ${db:Status-Status}\n'` reports as installed. */
export function parseInstalled(text) {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  return new Set(lines.filter(([, status]) => status === "installed").map(([name]) => name));
}

/**
 * The names that apt can install, from `apt-cache policy`'s output: a package without a candidate is not among them.
 */
export function parseCandidates(text) {
  const found = new Set();
  let name;
  for (const line of text.split("\n")) {
    const heading = /^(\S+):$/.exec(line);
    if (heading) name = heading[1];
    const candidate = /^\s+Candidate: (.+)$/.exec(line);
    if (candidate && name && candidate[1] !== "(none)") found.add(name);
  }
  return found;
}

/** The entries of `wanted` for which no alternative is installed. */
export function missingPackages(wanted, installed) {
  return [...new Set(wanted)].filter((each) => !each.split("|").some((name) => installed.has(name)));
}

/**
 * For each missing entry the name to install: the first alternative that has a candidate. `unknown` are entries of
 * which apt knows no alternative, which usually means that its lists were never fetched.
 */
export function chooseNames(missing, candidates) {
  const names = [];
  const unknown = [];
  for (const each of missing) {
    const name = each.split("|").find((alternative) => candidates.has(alternative));
    if (name) names.push(name);
    else unknown.push(each);
  }
  return { names, unknown };
}
