use super::*;

const MS: Duration = Duration::from_millis(1);
const PICTURE: Duration = Duration::from_micros(33_333);

/// A publisher of three sizes, 30 pictures a second, the time stamps of each beginning anywhere.
struct Show {
    layers: Layers,
    line: Timeline,
    begun: Instant,
    starts: [u32; 3],
    sizes: [u32; 3],
    number: u32,
}

impl Show {
    fn new(starts: [u32; 3], sizes: [u32; 3]) -> Self {
        let begun = Instant::now();
        let rids = ["h", "m", "l"].map(Rid::from);
        let layers = Layers::new(&rids, begun).expect("several");
        Self { layers, line: Timeline::new(90_000), begun, starts, sizes, number: 0 }
    }

    fn now(&self) -> Instant {
        self.begun + PICTURE * self.number
    }

    /// Sends the next picture in these encodings, the lowest first; gives where each lies.
    fn picture(&mut self, sent: [bool; 3]) -> [Option<u32>; 3] {
        let now = self.now();
        let mut placed = [None; 3];
        for index in (0..3).rev().filter(|index| sent[*index]) {
            let stamp = self.starts[index].wrapping_add(self.number * 3000);
            self.layers.hear(index, stamp, 1000, now);
            self.layers.all[index].size = Some(Size { width: self.sizes[index], height: self.sizes[index] });
            placed[index] = self.layers.place(index, stamp, now, &self.line);
        }
        self.layers.tend(now);
        self.number += 1;
        placed
    }

    /// A report that is wrong by so many microseconds.
    fn report(&mut self, index: usize, wrong: i64) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000) + PICTURE * self.number;
        let at = if wrong < 0 {
            at - Duration::from_micros(wrong.unsigned_abs())
        } else {
            at + Duration::from_micros(wrong as u64)
        };
        let stamp = self.starts[index].wrapping_add(self.number * 3000);
        self.layers.report(self.layers.all[index].rid, stamp, at);
    }
}

#[test]
fn encodings_that_begin_at_one_time_stamp_are_on_the_line_at_once() {
    let mut show = Show::new([u32::MAX - 100; 3], [720, 360, 180]);
    let placed = show.picture([true; 3]);
    assert_eq!(placed, [Some(u32::MAX - 100); 3]);
    assert!(show.layers.may_begin(show.now()), "all are there");
    assert_eq!(show.layers.best(), Some(0));
}

#[test]
fn encodings_with_starts_of_their_own_meet_to_the_tick_after_reports_that_are_not_exact() {
    let mut show = Show::new([7, 4_000_000_000, 90_000], [720, 360, 180]);
    for _ in 0..30 {
        let placed = show.picture([true; 3]);
        assert_eq!((placed[0], placed[1], placed[2].is_some()), (None, None, true), "the first of all is the line");
    }
    for (index, wrong) in [(0, 900), (1, -1400), (2, 300)] {
        show.report(index, wrong);
    }
    show.picture([true; 3]);
    // The lowest was reported last: the others' are known with its next.
    show.report(2, 0);
    for _ in 0..30 {
        let placed = show.picture([true; 3]);
        assert!(placed[2].is_some() && placed.iter().all(|stamp| *stamp == placed[2]), "{placed:?}");
    }
}

#[test]
fn without_reports_they_are_laid_by_their_arrival() {
    let mut show = Show::new([7, 4_000_000_000, 90_000], [720, 360, 180]);
    let placed: Vec<_> = (0..80).map(|_| show.picture([true; 3])).collect();
    assert!(placed[70][0].is_none() && placed[79].iter().all(|stamp| *stamp == placed[79][2]), "{:?}", placed[79]);
}

#[test]
fn one_that_is_silent_while_others_go_on_has_stopped_and_is_back_with_its_next_packet() {
    let mut show = Show::new([0; 3], [720, 360, 180]);
    for _ in 0..30 {
        show.picture([true; 3]);
    }
    let mut pictures = 0;
    while show.layers.best() == Some(0) {
        show.picture([false, true, true]);
        pictures += 1;
    }
    assert!((20..=23).contains(&pictures), "{pictures}");
    assert_eq!(show.layers.best(), Some(1));
    show.picture([true; 3]);
    assert_eq!(show.layers.best(), Some(0));
}

#[test]
fn a_still_screen_and_a_publisher_that_is_away_stop_nothing() {
    let mut show = Show::new([0; 3], [720, 360, 180]);
    show.picture([true; 3]);
    for _ in 0..5 {
        show.number += 30;
        show.picture([false, true, true]);
        assert!(!show.layers.tend(show.now()), "a picture in a second");
        show.picture([true; 3]);
    }
    assert!(!show.layers.tend(show.now() + 60_000 * MS));
    assert_eq!(show.layers.best(), Some(0));
}

#[test]
fn the_largest_is_the_best_whatever_is_named_first() {
    let mut show = Show::new([0; 3], [180, 720, 720]);
    show.picture([true; 3]);
    assert_eq!(show.layers.best(), Some(1));
}

#[test]
fn the_stream_begins_without_what_does_not_come() {
    let mut show = Show::new([0; 3], [720, 360, 180]);
    assert!(!show.layers.may_begin(show.now()));
    show.picture([false, false, true]);
    assert!(!show.layers.may_begin(show.now()));
    assert!(show.layers.may_begin(show.now() + BEGINNING));
    assert_eq!(show.layers.best(), Some(2));
}

#[test]
fn the_sources_numbers_have_no_gap_and_its_time_never_goes_back() {
    let mut splice = Splice { next: 1000, ..Splice::default() };
    splice.begin(50);
    assert_eq!(splice.place(50, 0), Some((1000, 0)));
    assert_eq!(splice.place(52, 3000), Some((1002, 3000)), "the network's gap stays");
    splice.begin(9_000_000);
    let (sequence, stamp) = splice.place(9_000_000, 3000).expect("placed");
    assert!(sequence == 1003 && stamp > 3000, "the same picture once more");
    assert_eq!(splice.place(8_999_999, 0), None, "from before the change");
    assert_eq!(splice.place(9_000_001, 6000), Some((1004, 6000)));
}
