//! One device stream from opening to dropping, on the one thread that ever touches it.
//!
//! A sound server that hangs takes this thread with it and nothing else: the mixer only hears reports, and lets
//! go of a session without waiting for it.

use std::io;
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::device::Following;
use super::intake::Reader;
use super::{AudioError, Source, device};

/// How often the system's choice of the default device is looked up. Someone who plugs headphones in expects the
/// sound to follow within a breath, and the question costs the server next to nothing.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// What a session tells the mixer.
pub(super) enum Report {
    /// Sound flows into this ring.
    Running(Reader),
    /// It never ran. The session is over.
    Failed(AudioError),
    /// It ran and broke. The session is over.
    Lost(AudioError),
    /// It still runs, but the system prefers another device now.
    DefaultMoved,
}

/// A running or opening session; dropping it lets it end by itself.
#[derive(Debug)]
pub(super) struct Session {
    _until_dropped: Sender<()>,
}

/// Starts a session. `report` is called on its thread; `wake` is unparked whenever sound has come in.
pub(super) fn spawn(source: Source, wake: Thread, report: impl Fn(Report) + Send + 'static) -> io::Result<Session> {
    let (until_dropped, dropped) = bounded(0);
    std::thread::Builder::new()
        .name(source.thread_name().into())
        .spawn(move || run(&source, wake, &dropped, &report))?;
    Ok(Session { _until_dropped: until_dropped })
}

fn run(source: &Source, wake: Thread, dropped: &Receiver<()>, report: &impl Fn(Report)) {
    let (faults, faulted) = bounded(1);
    let open = match device::open(source, wake, faults) {
        Ok((open, reader)) => {
            report(Report::Running(reader));
            open
        }
        Err(error) => return report(Report::Failed(error)),
    };
    let mut moved = false;
    loop {
        select! {
            recv(dropped) -> _ => return,
            recv(faulted) -> fault => {
                let fault = fault.unwrap_or(AudioError::DeviceTimeout);
                return report(Report::Lost(fault));
            }
            default(FOLLOW_EVERY) => match open.following() {
                Following::Moved if !moved => {
                    moved = true;
                    report(Report::DefaultMoved);
                }
                Following::Gone => {
                    let reason = "it is not there any more".into();
                    return report(Report::Lost(AudioError::DeviceLost { reason }));
                }
                Following::Same | Following::Moved => {}
            }
        }
    }
}
