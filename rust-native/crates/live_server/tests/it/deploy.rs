//! What is delivered beside the program: the unit file, as systemd itself reads it.

use std::process::Command;

use testkit::scratch::Folder;

const UNIT: &str = include_str!("../../deploy/tidecast-server.service");

#[test]
fn systemd_understands_every_line_of_the_unit_file() {
    let folder = Folder::new("deploy");
    let file = folder.file("tidecast-server.service");
    // It looks whether the program is there.
    let here = UNIT.replace("/usr/local/bin/tidecast-server", env!("CARGO_BIN_EXE_tidecast-server"));
    assert!(here.contains("ExecStart=/") && !here.contains("ExecStart=/usr/local"), "{here}");
    std::fs::write(&file, here).expect("written");
    let verify = || {
        let output = Command::new("systemd-analyze").arg("verify").arg(&file).output();
        let output = output.expect("systemd-analyze (npm run setup -- --tests installs it)");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (well, said) = verify();
    assert!(well && said.is_empty(), "{said}");
    // What it does not know it only mentions.
    std::fs::write(&file, UNIT.replace("PrivateTmp=", "PrivateTemp=")).expect("written");
    assert!(verify().1.contains("PrivateTemp"), "a mistake is found");
}
