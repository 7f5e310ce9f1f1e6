//! Which microphone is a camera's own: the one of the same device, else the one of the same name.
//!
//! Linux says of each picture device and of each sound card what it is plugged in as; elsewhere, and where a sound
//! server names no card, the two halves of a device are called alike. A doubt is answered with none: a stranger's
//! microphone that is taken for the camera's is worse than a list that has to be looked through. Nothing is opened.

use std::path::{Path, PathBuf};

use crate::audio::{DEFAULT_DEVICE, Microphone, microphone_cards};
use crate::video::{SourceInfo, camera_device_file};

/// Where Linux describes its devices.
const SYSFS: &str = "/sys";
/// What microphones are called besides the device's own name, in the words of drivers, PipeWire and Windows.
const OF_MICROPHONES: [&str; 14] = [
    "microphone",
    "mic",
    "mikrofon",
    "analog",
    "digital",
    "stereo",
    "mono",
    "surround",
    "input",
    "audio",
    "array",
    "multichannel",
    "iec958",
    "line",
];
/// Words that many cameras share: alone, one of them names none.
const OF_CAMERAS: [&str; 10] =
    ["camera", "cam", "webcam", "usb", "uvc", "hd", "video", "capture", "device", "integrated"];

/// Half of a device: its camera or its microphone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Half {
    id: String,
    name: String,
    /// What it is plugged in as, where that is known.
    device: Option<PathBuf>,
}

/// The ids of the cameras' own microphones, in the cameras' order. Takes up to 2 s; asks nobody where there is no
/// camera.
pub fn microphones_of(cameras: &[SourceInfo], microphones: &[Microphone]) -> Vec<Option<String>> {
    if cameras.is_empty() || microphones.is_empty() {
        return vec![None; cameras.len()];
    }
    let sysfs = Path::new(SYSFS);
    let camera = |info: &SourceInfo| {
        let file = camera_device_file(&info.id);
        let device = file
            .as_deref()
            .and_then(Path::file_name)
            .and_then(|node| plugged_in(&sysfs.join("class/video4linux").join(node)));
        Half { id: info.id.clone(), name: info.title.clone(), device }
    };
    let cards = microphone_cards();
    let microphone = |listed: &Microphone| {
        let card = cards.get(&listed.id).map(|number| sysfs.join(format!("class/sound/card{number}")));
        Half { id: listed.id.clone(), name: listed.name.clone(), device: card.as_deref().and_then(plugged_in) }
    };
    let cameras: Vec<Half> = cameras.iter().map(camera).collect();
    let microphones: Vec<Half> = microphones.iter().map(microphone).collect();
    pair(&cameras, &microphones)
}

/// The device behind an entry of `/sys/class`; of a USB device's interface, the whole one.
fn plugged_in(entry: &Path) -> Option<PathBuf> {
    let device = std::fs::canonicalize(entry.join("device")).ok()?;
    let is_interface = device.file_name().and_then(|name| name.to_str()).is_some_and(is_usb_interface);
    if is_interface { device.parent().map(Path::to_owned) } else { Some(device) }
}

/// `1-2.4:1.0`: bus, ports, configuration, interface (Linux' `usb_set_device_initial_name`, `usb_set_configuration`).
fn is_usb_interface(name: &str) -> bool {
    let numbers = |text: &str, between: char| {
        let mut parts = text.split(between);
        parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let Some((device, interface)) = name.split_once(':') else { return false };
    let Some((bus, ports)) = device.split_once('-') else { return false };
    numbers(bus, '.') && numbers(ports, '.') && numbers(interface, '.') && interface.contains('.')
}

/// The microphone of each camera.
fn pair(cameras: &[Half], microphones: &[Half]) -> Vec<Option<String>> {
    let listed: Vec<&Half> = microphones.iter().filter(|half| half.id != DEFAULT_DEVICE).collect();
    let of_device = |camera: &Half| listed.iter().find(|half| half.device.is_some() && half.device == camera.device);
    let by_device: Vec<Option<&Half>> = cameras.iter().map(|camera| of_device(camera).copied()).collect();
    let taken = |half: &Half| by_device.iter().flatten().any(|known| known.id == half.id);
    // Two that are known to be plugged in as different devices are not one, whatever they are called.
    let apart = |a: &Half, b: &Half| a.device.is_some() && b.device.is_some();
    let by_name = |camera: &Half| {
        let alike = |half: &&&Half| !taken(half) && !apart(camera, half) && likeness(&camera.name, &half.name) > 0;
        let mut found = listed.iter().filter(alike);
        found.next().filter(|_| found.next().is_none()).copied()
    };
    let named: Vec<Option<&Half>> = cameras
        .iter()
        .zip(&by_device)
        .map(|(camera, known)| if known.is_none() { by_name(camera) } else { None })
        .collect();
    // Of several cameras that are called like one microphone it is the most alike one's; between equals nobody knows.
    let is_best = |index: usize, half: &Half| {
        let own = likeness(&cameras[index].name, &half.name);
        let rivals = named.iter().enumerate().filter(|(other, rival)| *other != index && **rival == Some(half));
        rivals.map(|(other, _)| likeness(&cameras[other].name, &half.name)).all(|rival| rival < own)
    };
    by_device
        .iter()
        .zip(&named)
        .enumerate()
        .map(|(index, (device, name))| device.or_else(|| name.filter(|half| is_best(index, half))))
        .map(|found| found.map(|half| half.id.clone()))
        .collect()
}

/// How many words a camera's and a microphone's name have in common, where one is a part of the other and says
/// enough to tell a device by; else 0.
fn likeness(camera: &str, microphone: &str) -> usize {
    // V4L2 writes "Integrated Camera: Integrated C": the product, and again what there is room for.
    let camera = words(camera.split_once(": ").map_or(camera, |(product, _)| product));
    let microphone = words(microphone);
    let (short, long) = if camera.len() <= microphone.len() { (&camera, &microphone) } else { (&microphone, &camera) };
    let tells = short.len() > 1
        || short.first().is_some_and(|word| word.chars().count() > 3 && !OF_CAMERAS.contains(&word.as_str()));
    if tells && long.windows(short.len()).any(|part| part == short.as_slice()) { short.len() } else { 0 }
}

/// Of a device's name, those that are its own.
fn words(name: &str) -> Vec<String> {
    let parts = name.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).filter(|word| !OF_MICROPHONES.contains(&word.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(id: &str, name: &str, device: Option<&str>) -> Half {
        Half { id: id.into(), name: name.into(), device: device.map(PathBuf::from) }
    }

    fn paired(cameras: &[Half], microphones: &[Half]) -> Vec<Option<String>> {
        pair(cameras, microphones)
    }

    fn some(id: &str) -> Option<String> {
        Some(id.to_owned())
    }

    /// A part of a laptop's `/sys` as it was read: a built-in camera without a microphone, the laptop's own sound, and
    /// two webcams of one make, each a USB device with interfaces for picture (1.0) and sound (1.2).
    #[cfg(unix)]
    struct Tree(PathBuf);

    #[cfg(unix)]
    impl Tree {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("tidecast-sysfs-{name}-{}", std::process::id()));
            let tree = Self(root);
            let usb = "devices/pci0000:00/0000:00:14.0/usb1";
            tree.entry("video4linux/video0", &format!("{usb}/1-5/1-5:1.0"));
            tree.entry("video4linux/video2", &format!("{usb}/1-2/1-2.4/1-2.4:1.0"));
            tree.entry("video4linux/video4", &format!("{usb}/1-3/1-3:1.0"));
            tree.entry("sound/card0", "devices/pci0000:00/0000:00:1f.3");
            tree.entry("sound/card1", &format!("{usb}/1-3/1-3:1.2"));
            tree.entry("sound/card2", &format!("{usb}/1-2/1-2.4/1-2.4:1.2"));
            // A capture card: one PCI device gives both.
            tree.entry("video4linux/video6", "devices/pci0000:00/0000:00:1c.0/0000:03:00.0");
            tree.entry("sound/card3", "devices/pci0000:00/0000:00:1c.0/0000:03:00.0");
            tree
        }

        fn entry(&self, class: &str, device: &str) {
            let (class, device) = (self.0.join("class").join(class), self.0.join(device));
            std::fs::create_dir_all(&class).expect("a class");
            std::fs::create_dir_all(&device).expect("a device");
            std::os::unix::fs::symlink(device, class.join("device")).expect("a link");
        }

        fn half(&self, class: &str, name: &str) -> Half {
            Half { id: class.to_owned(), name: name.to_owned(), device: plugged_in(&self.0.join("class").join(class)) }
        }
    }

    #[cfg(unix)]
    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_camera_s_microphone_is_the_one_of_the_same_usb_device_or_card() {
        let tree = Tree::new("devices");
        let webcam = "HD Pro Webcam C920";
        let cameras = [
            tree.half("video4linux/video0", "Integrated Camera: Integrated C"),
            tree.half("video4linux/video2", webcam),
            tree.half("video4linux/video4", webcam),
            tree.half("video4linux/video6", "Capture Card"),
            tree.half("video4linux/video9", "Virtual Camera"),
        ];
        let microphones = [
            Half { id: DEFAULT_DEVICE.into(), ..tree.half("sound/card1", "HD Pro Webcam C920 Analog Stereo") },
            tree.half("sound/card0", "Built-in Audio Analog Stereo"),
            tree.half("sound/card1", "HD Pro Webcam C920 Analog Stereo"),
            tree.half("sound/card2", "HD Pro Webcam C920 Analog Stereo"),
            tree.half("sound/card3", "Line input"),
        ];
        let found = paired(&cameras, &microphones);
        assert_eq!(found, [None, some("sound/card2"), some("sound/card1"), some("sound/card3"), None]);
    }

    #[test]
    #[cfg(unix)]
    fn another_device_of_the_same_name_is_not_taken_for_it() {
        let tree = Tree::new("others");
        // The one webcam's sound is switched off: its twin's microphone is its twin's.
        let cameras = [tree.half("video4linux/video2", "Webcam C920")];
        let microphones = [tree.half("sound/card1", "Webcam C920 Mono")];
        assert_eq!(paired(&cameras, &microphones), [None]);
    }

    #[test]
    fn without_a_known_device_the_name_tells() {
        for (camera, microphone) in [
            ("Logitech BRIO", "Microphone (Logitech BRIO)"),
            ("Logitech BRIO", "Microphone (2- Logitech BRIO)"),
            ("Logitech BRIO 4K Stream Edition", "Mic (Logitech BRIO)"),
            ("HD Pro Webcam C920", "HD Pro Webcam C920 Analog Stereo"),
            ("USB Camera: USB Camera", "USB Camera Mono"),
            ("Elgato", "Digital Audio (Elgato)"),
        ] {
            let found =
                paired(&[half("c", camera, None)], &[half("a", "Built-in Audio", None), half("m", microphone, None)]);
            assert_eq!(found, [some("m")], "{camera}, {microphone}");
        }
        for (camera, microphone) in [
            ("FaceTime HD Camera", "MacBook Pro Microphone"),
            ("Camera", "Microphone (USB Camera 2)"),
            ("Integrated Camera", "Microphone Array (Realtek(R) Audio)"),
            ("Logitech BRIO", "Microphone (Logitech G Pro)"),
            ("Cam", "Microphone"),
            ("Webcam", "Built-in Audio Analog Stereo"),
            ("", "Microphone"),
            ("Kamera", "麦克风"),
        ] {
            assert_eq!(
                paired(&[half("c", camera, None)], &[half("m", microphone, None)]),
                [None],
                "{camera}, {microphone}"
            );
        }
        assert_eq!(
            paired(&[half("c", "罗技 高清摄像头", None)], &[half("m", "麦克风 (罗技 高清摄像头)", None)]),
            [some("m")]
        );
    }

    #[test]
    fn a_doubt_is_answered_with_none() {
        let brio = |id| half(id, "Logitech BRIO", None);
        let sound = |id| half(id, "Microphone (Logitech BRIO)", None);
        assert_eq!(paired(&[brio("a")], &[sound("x"), sound("y")]), [None], "two that could be it");
        assert_eq!(paired(&[brio("a"), brio("b")], &[sound("x")]), [None, None], "two that could have it");
        let longer = half("c", "Logitech BRIO 505", None);
        let found = paired(&[brio("a"), longer], &[half("x", "Microphone (Logitech BRIO 505)", None)]);
        assert_eq!(found, [None, some("x")], "the most alike");
        // The system's choice is another word for one of the others.
        assert_eq!(paired(&[brio("a")], &[half(DEFAULT_DEVICE, "Logitech BRIO", None), sound("x")]), [some("x")]);
        assert_eq!(paired(&[], &[sound("x")]), Vec::<Option<String>>::new());
    }

    #[test]
    fn usb_interfaces_are_told_from_devices() {
        for name in ["1-2:1.0", "1-2.4.1:2.13", "12-3:1.1"] {
            assert!(is_usb_interface(name), "{name}");
        }
        for name in ["1-2", "0000:03:00.0", "usb1", "1-2:1", "1-:1.0", "card1", "vivid.0"] {
            assert!(!is_usb_interface(name), "{name}");
        }
    }
}
