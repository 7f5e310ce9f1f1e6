//! `tidecast stream --config FILE`: what else stands on a command line, from a TOML file.
//!
//! Each key is an option's name without its dashes; a list gives it as often as it has entries, and `true` stands for one
//! that takes no value. The parser of the command line judges all of it: there is one set of rules.

use std::ffi::OsString;
use std::path::Path;

use toml::{Table, Value};

const FLAG: &str = "--config";

/// The command line with the file's options in the place of `--config FILE`, before those that stand there themselves:
/// what is given once can then be said otherwise, what is given often is added to.
pub(crate) fn expanded(arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let Some(at) = arguments.iter().position(|word| word == FLAG) else { return joined(arguments) };
    let file = arguments.get(at + 1).ok_or(format!("{FLAG} needs a file"))?.clone();
    let mut all = arguments;
    all.drain(at..at + 2);
    insert(all, Path::new(&file))
}

/// As [`expanded`], where it is written as one word.
fn joined(arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let is_it = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with("--config="));
    let Some(at) = arguments.iter().position(is_it) else { return Ok(arguments) };
    let mut all = arguments;
    let word = all.remove(at).to_string_lossy().into_owned();
    insert(all, Path::new(word.split_once('=').map_or("", |(_, file)| file)))
}

fn insert(mut arguments: Vec<OsString>, file: &Path) -> Result<Vec<OsString>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let words = words(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    // Behind the program's name and the verb.
    let at = arguments.len().min(2);
    arguments.splice(at..at, words);
    Ok(arguments)
}

fn words(text: &str) -> Result<Vec<OsString>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut words = Vec::new();
    for (name, value) in table {
        match value {
            Value::Array(values) => values.iter().try_for_each(|value| word(&name, value, &mut words))?,
            value => word(&name, &value, &mut words)?,
        }
    }
    Ok(words)
}

fn word(name: &str, value: &Value, words: &mut Vec<OsString>) -> Result<(), String> {
    let value = match value {
        Value::Boolean(false) => return Ok(()),
        Value::Boolean(true) => {
            words.push(format!("--{name}").into());
            return Ok(());
        }
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => return Err(format!("{name} is no text, number, true or false, nor a list of them")),
    };
    // One word, so that a value may begin with a dash.
    words.push(format!("--{name}={value}").into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_value_becomes_the_options_that_a_hand_would_write() {
        let text = "fps = 60\ngop = 1.5\nno-cursor = true\nsystem-sound = false\nsource = \"pattern:bars\"\n\
            to = [\"rtmp://a/b\", \"tall=rtmp://c/d\"]\n";
        let mut words = words(text).expect("options");
        words.sort();
        let wanted = [
            "--fps=60",
            "--gop=1.5",
            "--no-cursor",
            "--source=pattern:bars",
            "--to=rtmp://a/b",
            "--to=tall=rtmp://c/d",
        ];
        assert_eq!(words, wanted.map(OsString::from));
        assert!(super::words("a = { b = 1 }").is_err() && super::words("a").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_files_options_stand_before_those_of_the_command_line() {
        let folder = testkit::scratch::Folder::new("cli-config");
        let file = folder.file("stream.toml");
        std::fs::write(&file, "fps = 15\n").expect("a file");
        let file = file.to_string_lossy().into_owned();
        let line = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let wanted = line(&["tidecast", "stream", "--fps=15", "--fps", "20"]);
        assert_eq!(expanded(line(&["tidecast", "stream", "--fps", "20", "--config", &file])), Ok(wanted.clone()));
        assert_eq!(expanded(line(&["tidecast", "stream", &format!("--config={file}"), "--fps", "20"])), Ok(wanted));
        assert_eq!(expanded(line(&["tidecast", "sources"])), Ok(line(&["tidecast", "sources"])));
        assert!(expanded(line(&["tidecast", "stream", "--config", "/nowhere/at/all"])).is_err());
        assert!(expanded(line(&["tidecast", "stream", "--config"])).is_err());
    }
}
