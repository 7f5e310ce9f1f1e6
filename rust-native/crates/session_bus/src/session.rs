//! Which kind of session the user's is.

/// Whether the user's session is a Wayland one, by what it puts into the environment.
pub fn is_wayland(variable: impl Fn(&str) -> Option<String>) -> bool {
    let has = |name| variable(name).is_some_and(|value| !value.is_empty());
    let kind = variable("XDG_SESSION_TYPE").filter(|kind| !kind.is_empty());
    // The socket decides where both are told: a session of one kind may hold a nested one of the other.
    has("WAYLAND_DISPLAY") || has("WAYLAND_SOCKET") || kind.is_some_and(|kind| kind == "wayland")
}

#[cfg(test)]
mod tests {
    use super::is_wayland;

    #[test]
    fn the_session_s_kind_is_told_by_its_environment() {
        let session = |variables: &[(&str, &str)]| {
            is_wayland(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(session(&[("WAYLAND_DISPLAY", "wayland-0"), ("DISPLAY", ":0")]));
        assert!(session(&[("XDG_SESSION_TYPE", "wayland")]));
        assert!(session(&[("XDG_SESSION_TYPE", "tty"), ("WAYLAND_SOCKET", "3")]));
        assert!(!session(&[("XDG_SESSION_TYPE", "x11"), ("DISPLAY", ":0")]));
        assert!(!session(&[("WAYLAND_DISPLAY", ""), ("DISPLAY", ":0")]));
        assert!(!session(&[]));
    }
}
