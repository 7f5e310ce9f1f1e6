//! Which line of the file a problem is about, in words that repeat no secret of it.

use crate::error::ConfigProblem;

/// Fields whose text no message may repeat.
const SECRETS: [&str; 8] =
    ["password", "publish_key", "view_token", "metrics_token", "credential", "secret", "passphrase", "key"];

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&b| b == b'\n').count() + 1
}

/// The parser's message without the text it quotes, where that text may be a secret.
pub(super) fn of_toml(text: &str, error: &toml::de::Error) -> ConfigProblem {
    let line = error.span().map(|span| line_of(text, span.start));
    let source = line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
    let secret = SECRETS.into_iter().find(|key| source.contains(key));
    let reason = match secret {
        Some(key) if !error.message().starts_with("unknown field") => {
            format!("{key} must be a text in double quotes: {key} = \"…\"")
        }
        _ => error.message().lines().collect::<Vec<_>>().join(" "),
    };
    ConfigProblem { line, reason }
}

/// Finds the line that a check complains about: the stream's table, or the field it begins with (`rtc.last_port …`).
pub(super) fn of_check(text: &str, problem: ConfigProblem) -> ConfigProblem {
    let field = problem.reason.split(' ').next().and_then(|word| word.rsplit_once('.'));
    if let Some((table, key)) = field {
        let mut inside = false;
        let line = text.lines().position(|line| {
            let line = line.trim_start();
            if line.starts_with('[') {
                inside = line
                    .trim_start_matches('[')
                    .trim_start()
                    .strip_prefix(table)
                    .is_some_and(|rest| rest.starts_with(']'));
            }
            inside && line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        return ConfigProblem { line: line.map(|index| index + 1), ..problem };
    }
    let quoted = problem.reason.split('"').nth(1).unwrap_or_default();
    // "recording "disk" needs …" speaks of another table than "stream "live" is …".
    let first = problem.reason.split(' ').next().unwrap_or_default();
    let table = ["recording", "forward", "pull"].into_iter().find(|table| *table == first).unwrap_or("streams");
    let wanted = [format!("[{table}.{quoted}]"), format!("[{table}.\"{quoted}\"]")];
    let line = (!quoted.is_empty())
        .then(|| text.lines().position(|line| wanted.iter().any(|table| line.trim_start().starts_with(table))))
        .flatten()
        .map(|index| index + 1);
    ConfigProblem { line, ..problem }
}
