//! Shows the time pattern in a window, at a steady rate; see `testkit::time_pattern`.
//!
//! The first line on stdout says which window it is. Lines on stdin change it: `content NAME`, `fps N`, `tick` (draw
//! once), `pixel X Y RRGGBB`, `resize W H`, `move X Y`, `title TEXT`, `minimise`, `raise`, `quit`. Each `tick`,
//! `pixel` and, with `--flash-log`, each flash is answered by a line that says when the X server had it.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{BufRead as _, Write as _};
    use std::process::ExitCode;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
    use std::time::{Duration, Instant};

    use clap::Parser;
    use testkit::time_pattern::window::{Change, Options, PatternWindow};
    use testkit::time_pattern::{Content, flash_is_on, now};
    use x11rb::protocol::xproto::ConfigureWindowAux;

    #[derive(Parser)]
    #[command(about = "Shows the time pattern in an X11 window on $DISPLAY")]
    struct Arguments {
        /// Pixels, WIDTHxHEIGHT.
        #[arg(long, default_value = "1280x720")]
        size: String,
        /// Desktop coordinates, X,Y.
        #[arg(long, default_value = "0,0", allow_hyphen_values = true)]
        position: String,
        /// Pictures per second.
        #[arg(long, default_value_t = 60.0)]
        fps: f64,
        /// cells, motion, terminal, film, still, bars or flash.
        #[arg(long, default_value = "cells")]
        content: String,
        /// The window's title.
        #[arg(long, default_value = "time pattern")]
        title: String,
        /// No frame, no window manager, exactly at --position; not in any window list.
        #[arg(long)]
        override_redirect: bool,
        /// Print a line for each flash.
        #[arg(long)]
        flash_log: bool,
        /// Seconds after which it ends; 0 for never.
        #[arg(long, default_value_t = 0.0)]
        duration: f64,
    }

    pub(super) fn main() -> ExitCode {
        match run(&Arguments::parse()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "time-pattern: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn pair<T: std::str::FromStr>(text: &str, separator: char) -> Result<(T, T), String> {
        let parse = |part: &str| part.trim().parse().map_err(|_| format!("{text:?} is not two numbers"));
        let (a, b) = text.split_once(separator).ok_or_else(|| format!("{text:?} is not two numbers"))?;
        Ok((parse(a)?, parse(b)?))
    }

    fn say(line: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Lines of stdin. Its end is no order to quit: a shell may have started us with none.
    fn commands() -> Receiver<String> {
        let (sender, receiver) = sync_channel(16);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    struct Show {
        window: PatternWindow,
        period: Duration,
        frames: u64,
        late: u64,
        quit: bool,
    }

    fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
        let (width, height) = pair(&arguments.size, 'x')?;
        let (x, y) = pair(&arguments.position, ',')?;
        let content = Content::parse(&arguments.content).ok_or("no such --content")?;
        let options = Options {
            content,
            width,
            height,
            x,
            y,
            title: arguments.title.clone(),
            override_redirect: arguments.override_redirect,
        };
        let period = Duration::from_secs_f64(1.0 / arguments.fps.clamp(0.1, 1000.0));
        let mut show = Show { window: PatternWindow::open(&options)?, period, frames: 0, late: 0, quit: false };
        say(&format!(
            r#"{{"window":{},"width":{width},"height":{height},"pid":{}}}"#,
            show.window.id(),
            std::process::id()
        ))?;

        let started = Instant::now();
        let lines = commands();
        let mut input_open = true;
        let mut due = Instant::now();
        let mut flash = flash_is_on(now());
        while !show.quit {
            if arguments.duration > 0.0 && started.elapsed().as_secs_f64() >= arguments.duration {
                break;
            }
            let pause = if show.window.content() == Content::Still {
                Duration::from_millis(20)
            } else {
                due.saturating_duration_since(Instant::now())
            };
            if input_open {
                match lines.recv_timeout(pause) {
                    Ok(line) => {
                        show.obey(&line)?;
                        continue;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => input_open = false,
                }
            } else {
                std::thread::sleep(pause);
            }
            match show.window.changes()? {
                Some(Change::Closed) => break,
                Some(_) => show.window.draw_whole(now())?,
                None => {}
            }
            if show.window.content() == Content::Still {
                due = Instant::now();
                continue;
            }
            let stamp = now();
            show.window.draw(stamp)?;
            show.frames += 1;
            if flash_is_on(stamp) != flash {
                flash = !flash;
                if flash && arguments.flash_log {
                    say(&format!(r#"{{"flash":{stamp},"shown":{}}}"#, now()))?;
                }
            }
            due += show.period;
            let behind = Instant::now().saturating_duration_since(due);
            if behind > show.period {
                // Late by more than a picture: skip, never catch up in a burst.
                show.late += 1;
                due = Instant::now();
            }
        }
        say(&format!(r#"{{"frames":{},"late":{}}}"#, show.frames, show.late))?;
        Ok(())
    }

    impl Show {
        fn obey(&mut self, line: &str) -> Result<(), Box<dyn Error>> {
            let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            match word {
                "content" => {
                    self.window.set_content(Content::parse(rest).ok_or("no such content")?);
                    self.window.draw_whole(now())?;
                    say(&format!(r#"{{"content":"{rest}"}}"#))?;
                }
                "fps" => self.period = Duration::from_secs_f64(1.0 / rest.parse::<f64>()?.clamp(0.1, 1000.0)),
                "tick" => {
                    let stamp = now();
                    self.window.draw(stamp)?;
                    say(&format!(r#"{{"tick":{stamp},"shown":{}}}"#, now()))?;
                }
                "pixel" => {
                    let mut words = rest.split_whitespace();
                    let (x, y) = (words.next().unwrap_or("").parse()?, words.next().unwrap_or("").parse()?);
                    let rgb = u32::from_str_radix(words.next().unwrap_or("ffffff"), 16)?;
                    let stamp = now();
                    self.window.draw_pixel(x, y, rgb)?;
                    say(&format!(r#"{{"pixel":{stamp},"shown":{}}}"#, now()))?;
                }
                "resize" => {
                    let (width, height): (u32, u32) = pair(rest, ' ')?;
                    self.window.configure(&ConfigureWindowAux::new().width(width).height(height))?;
                }
                "move" => {
                    let (x, y): (i32, i32) = pair(rest, ' ')?;
                    self.window.configure(&ConfigureWindowAux::new().x(x).y(y))?;
                }
                "title" => self.window.set_title(rest)?,
                "minimise" => self.window.minimise()?,
                "raise" => self.window.raise()?,
                "quit" => self.quit = true,
                "" => {}
                other => return Err(format!("unknown command {other:?}").into()),
            }
            Ok(())
        }
    }
}
