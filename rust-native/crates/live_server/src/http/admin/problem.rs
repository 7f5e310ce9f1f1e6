//! What can go wrong on the admin pages.

use axum::http::StatusCode;

use super::super::reply::Problem;
use crate::admin::KeyProblem;

/// Why a request of the admin pages isn't granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminProblem {
    SignInFirst,
    WrongPassword,
    NoPassword,
    NeedsTls,
    ForeignOrigin,
    Storage,
    NoSuchKey,
    NoSuchSession,
    NoPicture,
    TooManyKeys,
}

impl From<AdminProblem> for Problem {
    fn from(problem: AdminProblem) -> Self {
        Self::Admin(problem)
    }
}

impl From<KeyProblem> for Problem {
    fn from(problem: KeyProblem) -> Self {
        match problem {
            KeyProblem::Bad(what) => Self::BadRequest(what),
            KeyProblem::Unknown => AdminProblem::NoSuchKey.into(),
            KeyProblem::Full => AdminProblem::TooManyKeys.into(),
            KeyProblem::NotKept(error) => {
                tracing::error!(error, "the file of keys can't be written");
                AdminProblem::Storage.into()
            }
        }
    }
}

impl AdminProblem {
    pub(in crate::http) fn parts(self) -> (StatusCode, &'static str, String, &'static str) {
        let (status, code, detail, hint) = match self {
            Self::SignInFirst => {
                (StatusCode::UNAUTHORIZED, "sign_in_first", "nobody is signed in", "Sign in at /admin.")
            }
            Self::WrongPassword => {
                (StatusCode::UNAUTHORIZED, "wrong_password", "the password is wrong", "Try again, with care.")
            }
            Self::NoPassword => (
                StatusCode::CONFLICT,
                "no_password",
                "no password has been set",
                "Run tidecast-server --config FILE set-admin-password on the server.",
            ),
            Self::NeedsTls => (
                StatusCode::FORBIDDEN,
                "needs_tls",
                "from another machine the password may travel over TLS only",
                "Set [https] in the configuration or put a TLS proxy in front, or set admin.plain_http = true.",
            ),
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "the request comes from another site's page",
                "Use the server's own pages.",
            ),
            Self::Storage => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "storage_failed",
                "the admin folder can't be read or written",
                "Look at the log; the program needs the right to write to admin.folder.",
            ),
            Self::NoSuchKey => {
                (StatusCode::NOT_FOUND, "no_such_key", "there is no such key", "It may have been revoked already.")
            }
            Self::NoSuchSession => {
                (StatusCode::NOT_FOUND, "no_such_session", "there is no such session", "It may have ended by itself.")
            }
            Self::NoPicture => {
                (StatusCode::NOT_FOUND, "no_picture", "no keyframe is at hand", "Ask again when pictures arrive.")
            }
            Self::TooManyKeys => {
                (StatusCode::CONFLICT, "too_many_keys", "there are 1000 keys already", "Revoke some first.")
            }
        };
        (status, code, detail.to_owned(), hint)
    }
}
