use super::*;
use media::MediaTime;

fn unit(track: Track, keyframe: bool, n: u64) -> AccessUnit {
    let at = MediaTime::from_nanos(n);
    AccessUnit { track, pts: at, dts: at, keyframe, captured_at: at, payload: bytes_of(n) }
}

fn bytes_of(n: u64) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&n.to_be_bytes())
}

fn drain(reader: &mut Reader<AccessUnit>) -> Vec<u64> {
    std::iter::from_fn(|| match reader.try_recv() {
        Some(Ok(unit)) => Some(unit.pts.as_nanos()),
        _ => None,
    })
    .collect()
}

#[test]
fn who_asked_for_one_codec_never_sees_another() {
    let hub = Broadcast::default();
    let mut webrtc = hub.subscribe(8, LagPolicy::SkipToKeyframe);
    let mut file = hub.subscribe_to(Lanes::PICTURES, 8, LagPolicy::Fail);
    let mut av1 = hub.subscribe_to(Lanes::of(VideoCodec::Av1), 8, LagPolicy::Fail);
    hub.push(&unit(Track::Av1, false, 1));
    hub.push(&unit(Track::Av1, true, 2));
    hub.push(&unit(Track::Hevc, true, 3));
    assert!(webrtc.try_recv().is_none());
    assert!(av1.try_recv().is_some() && av1.try_recv().is_none(), "from its keyframe on");
    assert!(file.try_recv().is_some() && file.try_recv().is_some());
}

#[test]
fn late_joiner_starts_at_a_keyframe_but_hears_at_once() {
    let hub = Broadcast::default();
    let mut reader = hub.subscribe(8, LagPolicy::SkipToKeyframe);
    hub.push(&unit(Track::Video, false, 1));
    hub.push(&unit(Track::Audio, true, 2));
    hub.push(&unit(Track::Video, true, 3));
    hub.push(&unit(Track::Video, false, 4));
    assert_eq!(drain(&mut reader), [2, 3, 4]);
    assert_eq!(reader.stats().dropped, 1);
}

#[test]
fn the_slow_reader_skips_to_a_keyframe_and_the_other_loses_nothing() {
    let hub = Broadcast::default();
    let mut slow = hub.subscribe(2, LagPolicy::SkipToKeyframe);
    let mut fast = hub.subscribe(16, LagPolicy::SkipToKeyframe);
    hub.push(&unit(Track::Video, true, 1));
    hub.push(&unit(Track::Video, false, 2));
    assert!(hub.push(&unit(Track::Video, false, 3)), "the overflow asks for a keyframe");
    assert!(!hub.push(&unit(Track::Video, false, 4)), "but only once");
    hub.push(&unit(Track::Video, true, 5));
    assert_eq!(drain(&mut slow), [5]);
    assert_eq!(drain(&mut fast), [1, 2, 3, 4, 5]);
    assert_eq!(slow.stats(), ReaderStats { delivered: 1, dropped: 4, overflows: 1 });
}

#[test]
fn two_pictures_share_one_sound_and_nothing_else() {
    let hub = Broadcast::default();
    let other = hub.beside();
    assert!(!hub.is_wanted(Lanes::AAC));
    let (mut one, mut two) = (hub.subscribe(8, LagPolicy::Fail), other.subscribe(8, LagPolicy::Fail));
    let file = other.subscribe_to(Lanes::VIDEO_AND_AAC, 8, LagPolicy::Fail);
    assert!(hub.is_wanted(Lanes::AAC), "somebody beside wants it");
    drop(file);
    hub.push(&unit(Track::Video, true, 1));
    other.push(&unit(Track::Video, true, 2));
    hub.push(&unit(Track::Audio, true, 3));
    assert_eq!((drain(&mut one), drain(&mut two)), (vec![1, 3], vec![2, 3]));
    drop(other);
    assert_eq!(two.try_recv().map(|r| r.map(|_| ())), Some(Err(RecvError::Closed)));
    hub.push(&unit(Track::Audio, true, 4));
    assert_eq!(drain(&mut one), [4], "its end is nobody else's");
}

#[test]
fn a_recording_fails_rather_than_losing_a_frame() {
    let hub = Broadcast::default();
    let mut reader = hub.subscribe(1, LagPolicy::Fail);
    hub.push(&unit(Track::Video, true, 1));
    hub.push(&unit(Track::Video, false, 2));
    assert_eq!(reader.try_recv().map(|r| r.map(|_| ())), Some(Err(RecvError::Lagged)));
}

#[test]
fn what_was_queued_is_read_before_the_close() {
    let hub = Broadcast::default();
    let mut reader = hub.subscribe(4, LagPolicy::SkipToKeyframe);
    hub.push(&unit(Track::Video, true, 1));
    drop(hub);
    assert_eq!(drain(&mut reader), [1]);
    assert!(matches!(reader.try_recv(), Some(Err(RecvError::Closed))));
}

#[tokio::test]
async fn recv_wakes_when_an_item_comes() {
    let hub = Broadcast::default();
    let mut reader = hub.subscribe(4, LagPolicy::SkipToKeyframe);
    let other = hub.clone();
    let task = tokio::spawn(async move { other.push(&unit(Track::Video, true, 7)) });
    let got = reader.recv().await.expect("item");
    assert_eq!(got.pts.as_nanos(), 7);
    task.await.expect("pushed");
}

#[test]
fn a_reader_sees_its_own_lanes_only_and_says_that_they_are_wanted() {
    let hub = Broadcast::default();
    let mut peer = hub.subscribe(8, LagPolicy::SkipToKeyframe);
    assert!(!hub.is_wanted(Lanes::AAC) && hub.is_wanted(Lanes::OPUS));
    let mut file = hub.subscribe_to(Lanes::VIDEO_AND_AAC, 8, LagPolicy::Fail);
    assert!(hub.is_wanted(Lanes::AAC));
    hub.push(&unit(Track::Video, true, 1));
    hub.push(&unit(Track::Audio, true, 2));
    hub.push(&unit(Track::Aac, true, 3));
    assert_eq!(drain(&mut peer), [1, 2]);
    assert_eq!(drain(&mut file), [1, 3]);
    drop(file);
    assert!(!hub.is_wanted(Lanes::AAC));
}

#[test]
fn dropped_readers_are_forgotten() {
    let hub: Broadcast<AccessUnit> = Broadcast::default();
    drop(hub.subscribe(4, LagPolicy::Fail));
    assert_eq!(hub.readers(), 0);
}
