//! Whether the machine has room for a further canvas: what was measured, beside what is in use.

use std::time::Instant;

use crate::canvas_cost::{Machine, Measured, cost, simulcast_cost};
use crate::canvases;
use crate::session::Session;
use crate::{CanvasCost, CanvasRoom, CanvasSettings, Problem, VideoSettings, usage};

/// What all programs use, from sums that only grow.
#[derive(Debug, Default)]
pub(crate) struct Load {
    last: Option<(Instant, f64)>,
    cores: Option<f64>,
}

impl Load {
    fn read(&mut self, now: Instant, busy: Option<f64>) {
        let before = self.last.take();
        self.last = busy.map(|busy| (now, busy));
        self.cores = busy.zip(before).map(|(busy, (then, before))| {
            (busy - before).max(0.0) / now.saturating_duration_since(then).as_secs_f64().max(1e-3)
        });
    }

    fn cores(&self) -> Option<f64> {
        self.cores
    }
}

impl Session {
    /// What that canvas would cost.
    pub(crate) fn estimate_canvas(&self, wanted: &CanvasSettings) -> Result<CanvasCost, Problem> {
        let (_, settings) = wanted.read()?;
        self.cost_of(&wanted.id, &settings).ok_or_else(not_measured)
    }

    /// What the lower encodings of that canvas would cost beside it.
    pub(crate) fn estimate_simulcast(&self, canvas: Option<&str>) -> Result<CanvasCost, Problem> {
        let settings = match canvas {
            Some(id) => self.canvases.get(id).ok_or_else(canvases::unknown)?.settings,
            None => self.settings,
        };
        let measured = (*self.measured.lock()).ok_or_else(not_measured)?;
        Ok(simulcast_cost(&measured, &settings, self.machine(&measured)))
    }

    fn cost_of(&self, id: &str, settings: &VideoSettings) -> Option<CanvasCost> {
        let measured = (*self.measured.lock())?;
        let before = self.canvases.get(id).map(|canvas| &canvas.settings);
        Some(cost(&measured, settings, before, self.machine(&measured)))
    }

    fn machine(&self, measured: &Measured) -> Machine {
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let planned = || {
            let further = self.canvases.each().map(|(_, _, settings, _)| measured.cores_of(settings)).sum::<f64>();
            measured.cores_of(&self.settings) + further
        };
        let used = self.load.cores().or(self.stats.cpu_cores);
        let busy = self.capture.as_ref().and(used);
        let short = self.capture.is_some() && (self.pipeline.is_short() || self.canvases.any_short());
        Machine { cores, busy: busy.unwrap_or_else(planned), short }
    }

    /// Refuses what the machine has no room for; what can't be measured is let through.
    pub(crate) fn check_room(&self, id: &str, settings: &VideoSettings) -> Result<(), Problem> {
        let Some(cost) = self.cost_of(id, settings).filter(|cost| cost.room != CanvasRoom::Enough) else {
            return Ok(());
        };
        let CanvasCost { ms_per_picture, cores, busy_cores, machine_cores, .. } = cost;
        let message = match cost.room {
            CanvasRoom::PictureTooSlow => format!(
                "One of its pictures would take {ms_per_picture:.0} ms, and at {} a second there are {:.0} ms for each.",
                settings.fps,
                1000.0 / f64::from(settings.fps)
            ),
            CanvasRoom::MachineShort => "Pictures are left out already, as this machine can't do more.".to_owned(),
            _ => format!("It would take {cores:.1} cores more; {busy_cores:.1} of {machine_cores:.0} are in use."),
        };
        let hint = "Choose a smaller picture or fewer pictures a second, or add it all the same.";
        Err(Problem::new("no_room_for_canvas", message, hint))
    }

    /// Notes what a picture took in the last second.
    pub(crate) fn measure(&mut self, now: Instant) {
        self.load.read(now, usage::machine_busy_seconds());
        let aim = &self.stats.aim;
        let ms = self.stats.encode_ms + self.stats.compose_ms.unwrap_or(0.0);
        let main = Measured::of_second(self.stats.fps_encoded, ms, aim.width, aim.height);
        if let Some(measured) = main {
            *self.measured.lock() = Some(measured);
        }
    }
}

fn not_measured() -> Problem {
    Problem::new(
        "not_measured",
        "This machine's encoders could not be measured.",
        "Start the capture first; what it costs is measured then.",
    )
}
