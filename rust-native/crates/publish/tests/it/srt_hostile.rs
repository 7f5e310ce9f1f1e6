//! An SRT peer that sends what no receiver sends: told by a code, tried again, and nothing to anybody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use publish::SrtTarget;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::rig::{Feed, PATIENCE, Peer, Received, bitrate, free_port};
use testkit::scratch::Folder;

fn srt(port: u16) -> SrtTarget {
    SrtTarget {
        url: format!("srt://127.0.0.1:{port}"),
        passphrase: None,
        stream_id: None,
        latency: Duration::from_millis(120),
        target_bitrate: bitrate(),
    }
}

fn transmit(port: u16, file: &std::path::Path) -> Peer {
    let source = format!("srt://:{port}?mode=listener");
    Peer::start_into("srt-live-transmit", &["-q", "-loglevel:fatal", &source, "file://con"], file)
}

/// A relay to a real receiver that slips a packet of its own in, each time it is told to.
async fn relay(to: u16, poisons: Vec<(u16, u16, Vec<u32>)>, slip: Arc<Notify>) -> u16 {
    let front = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = front.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut poisons = poisons.into_iter();
        let mut back = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        back.connect(("127.0.0.1", to)).await.expect("a receiver");
        let mut client = None;
        let mut socket_id = [0; 4];
        let (mut ours, mut theirs) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut ours) => {
                    if client != Some(from) {
                        // Another attempt: a real receiver must see another sender.
                        client = Some(from);
                        back = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
                        back.connect(("127.0.0.1", to)).await.expect("a receiver");
                    }
                    let _ = back.send(&ours[..length]).await;
                }
                Ok(length) = back.recv(&mut theirs) => {
                    socket_id.copy_from_slice(&theirs[12..16]);
                    let _ = front.send_to(&theirs[..length], client.expect("it called")).await;
                }
                () = slip.notified() => {
                    let (kind, sub, body) = poisons.next().expect("one for each call");
                    let mut packet = (0x8000 | kind).to_be_bytes().to_vec();
                    packet.extend(sub.to_be_bytes());
                    packet.extend([0; 8]);
                    packet.extend(socket_id);
                    body.iter().for_each(|word| packet.extend(word.to_be_bytes()));
                    front.send_to(&packet, client.expect("it called")).await.expect("sent");
                }
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_srt_peer_is_told_by_a_code_and_the_others_lose_nothing() {
    let (feed, folder) = (Feed::start(), Folder::new("publish"));
    let (good_port, good_file) = (free_port(), folder.file("good.ts"));
    let good_peer = transmit(good_port, &good_file);
    let mut good = feed.publish(srt(good_port));
    good.until_live().await;

    // What srt-protocol has a `todo!()` for, what it panics at, and what would keep it busy for minutes.
    let poisons: Vec<(u16, u16, Vec<u32>)> = vec![
        (4, 0, vec![]),
        (8, 0, vec![1]),
        (0x7fff, 5, vec![1, 2, 3]),
        (3, 0, vec![0x8000_0000, 0x7fff_ffff]),
        (3, 0, vec![0x8000_0001]),
    ];
    let (port, slip) = (free_port(), Arc::new(Notify::new()));
    let count = poisons.len();
    let front = relay(port, poisons, Arc::clone(&slip)).await;
    let mut hostile = feed.publish(srt(front));
    for round in 0..count {
        let receiver = transmit(port, &folder.file(&format!("{round}.ts")));
        hostile.until_live().await;
        let deadline = Instant::now() + PATIENCE;
        while hostile.destination.health().is_none_or(|health| health.round_trip.is_none()) {
            assert!(Instant::now() < deadline, "an acknowledgement tells the round trip");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        slip.notify_one();
        assert_eq!(hostile.until_broken().await, ("bad_peer", false), "poison {round}");
        drop(receiver);
    }

    let health = good.destination.health().expect("connected");
    assert_eq!((health.dropped_units, health.loss), (0, Some(0.0)), "{health:?}");
    assert!(health.round_trip.is_some_and(|rtt| rtt < Duration::from_millis(500)), "{health:?}");
    good.destination.stop().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    good_peer.interrupt().await;
    Received::read(&good_file).assert_whole(90);
}

/// Noise at the port from strangers, and in the middle of a handshake.
#[tokio::test(flavor = "multi_thread")]
async fn noise_instead_of_a_handshake_is_told_by_a_code() {
    let feed = Feed::start();
    let noisy = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = noisy.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (mut asked, mut seed) = ([0; 2048], 5_u32);
        while let Ok((length, from)) = noisy.recv_from(&mut asked).await {
            // Answers that begin as handshakes do, with everything after the socket's number made up.
            for size in [16, 17, 40, 64, 80, 1400] {
                let mut answer = vec![0; size];
                answer[0] = 0x80;
                answer[12..16].copy_from_slice(&asked[length.min(64) - 24..][..4]);
                for byte in answer.iter_mut().skip(16) {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *byte = (seed >> 24) as u8;
                }
                let _ = noisy.send_to(&answer, from).await;
            }
        }
    });
    let mut live = feed.publish(srt(port));
    let (code, _) = live.until_broken().await;
    assert!(["no_answer", "bad_peer", "srt_refused", "address_unreachable"].contains(&code), "{code}");
    live.destination.stop().await;
}
