use super::*;
use crate::chunk::ChunkWriter;
use crate::{Client, Event, Messages, Metadata, Target, flv, tag};

fn server() -> Server {
    Server::new((0..).map(|n: u32| (n % 253) as u8))
}

fn client() -> Client {
    Client::new(Target::parse("rtmp://example.com/live?x=1", Some(&Secret::new("key-1"))).expect("an address"))
}

/// Carries bytes until neither side has any.
fn carry(client: &mut Client, server: &mut Server) -> Vec<ServerEvent> {
    let mut events = Vec::new();
    loop {
        let (there, back) = (client.output().split(), server.output().split());
        if there.is_empty() && back.is_empty() {
            return events;
        }
        // In pieces that fall anywhere.
        for piece in there.chunks(701) {
            server.input(piece).expect("good");
            events.extend(std::iter::from_fn(|| server.event()));
        }
        client.input(&back).expect("not refused");
    }
}

fn publishing() -> (Client, Server) {
    let (mut client, mut server) = (client(), server());
    let events = carry(&mut client, &mut server);
    let [ServerEvent::Publish(request)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((request.app.expose(), request.name.expose()), ("live?x=1", "key-1"));
    assert!(!format!("{request:?}").contains("key-1"));
    server.accept();
    carry(&mut client, &mut server);
    (client, server)
}

#[test]
fn our_own_client_publishes_and_learns_that_opus_is_taken() {
    let (mut client, mut server) = publishing();
    let Some(Event::Publishing(features)) = client.event() else { panic!("it is not told") };
    assert!(features.opus);
    client.metadata(VideoCodec::H264, &Metadata::default());
    client.video(40, flv::avc_picture(&Bytes::from_static(&[0, 0, 1, 0x65, 7]), true));
    client.audio(41, flv::aac_frame(&[1, 2, 3]));
    client.video(0xff_ffff + 9, flv::avc_picture(&vec![7u8; 300_000].into(), false));
    client.close();
    let events = carry(&mut client, &mut server);
    let [
        ServerEvent::Video { timestamp: 40, body },
        ServerEvent::Audio { timestamp: 41, .. },
        ServerEvent::Video { timestamp: 0x100_0008, .. },
        ServerEvent::End,
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert!(matches!(tag::video(body), tag::Video::Picture { keyframe: true, .. }));
}

#[test]
fn a_player_that_is_refused_hears_why_and_gets_nothing() {
    let target = Target::parse("rtmp://example.com/live/live", None).expect("an address");
    let (mut player, mut server) = (Client::player(target), server());
    carry(&mut player, &mut server);
    server.refuse(&Denial { code: "NetStream.Play.Failed", description: "the token is wrong".to_owned() });
    let refused = player.input(&server.output().split()).expect_err("refused");
    assert_eq!(refused.code(), "bad_key", "{refused}");
    server.accept();
    assert!(server.output().is_empty(), "too late");
}

#[test]
fn nothing_is_said_before_the_publisher_has_greeted() {
    let mut server = server();
    assert!(server.output().is_empty());
    server.input(&[3]).expect("good");
    server.input(&[0; HANDSHAKE - 1]).expect("good");
    assert!(server.output().is_empty());
    server.input(&[0; 1]).expect("good");
    assert_eq!(server.output().len(), 1 + 2 * HANDSHAKE);
}

#[test]
fn media_of_one_who_is_not_let_in_is_thrown_away_and_a_refusal_is_told() {
    let (mut client, mut server) = (client(), server());
    carry(&mut client, &mut server);
    client.video(1, flv::avc_picture(&Bytes::from_static(&[0, 0, 1, 0x65, 7]), true));
    assert!(carry(&mut client, &mut server).is_empty());
    server.refuse(&Denial { code: "NetStream.Publish.BadName", description: "the key is wrong".to_owned() });
    let said = server.output().split();
    let refused = client.input(&said).expect_err("refused");
    assert_eq!(refused.code(), "bad_key");
    server.accept();
    assert!(server.output().is_empty(), "too late");
}

#[test]
fn another_protocol_and_messages_out_of_all_bounds_are_errors() {
    assert_eq!(server().input(b"GET / HTTP/1.1\r\n"), Err(RtmpError::NotRtmp("no RTMP handshake")));
    let mut server = server();
    server.input(&[3]).expect("good");
    server.input(&[0; 2 * HANDSHAKE]).expect("good");
    // A message of 16 MB before anybody was let in.
    assert_eq!(
        server.input(&[0x03, 0, 0, 0, 0xff, 0xff, 0xff, COMMAND, 0, 0, 0, 0]),
        Err(RtmpError::TooLarge("a message"))
    );
}

#[test]
fn a_flood_of_commands_has_an_end() {
    let mut server = server();
    server.input(&[3]).expect("good");
    server.input(&[0; 2 * HANDSHAKE]).expect("good");
    let (mut writer, mut out, mut body) = (ChunkWriter::default(), BytesMut::new(), BytesMut::new());
    [Value::text("FCPublish"), Value::Number(1.0)].iter().for_each(|value| value.write(&mut body));
    let message = Message { kind: COMMAND, stream: 0, timestamp: 0, body: body.freeze() };
    (0..1000).for_each(|_| writer.write(3, &message, &mut out));
    assert_eq!(server.input(&out), Err(RtmpError::TooLarge("too many commands")));
    assert!(server.output().len() < 16 << 10);
}

#[test]
fn random_bytes_at_every_stage_do_no_harm() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..3000u32 {
        let mut server = if round % 2 == 0 {
            let mut server = server();
            server.input(&[3]).expect("good");
            server.input(&[0; 2 * HANDSHAKE]).expect("good");
            server
        } else {
            publishing().1
        };
        let mut bytes: Vec<u8> = (0..400).map(|_| next() as u8).collect();
        // Half of them begin like a message, so that the random part reaches AMF.
        if round % 4 < 2 {
            bytes.splice(..0, [0x03, 0, 0, 0, 0, 0, 120, if round % 8 < 4 { COMMAND } else { VIDEO }, 1, 0, 0, 0, 2]);
        }
        for piece in bytes.chunks(97) {
            if server.input(piece).is_err() {
                break;
            }
        }
        for event in std::iter::from_fn(|| server.event()) {
            if let ServerEvent::Video { body, .. } | ServerEvent::Audio { body, .. } = event {
                let _ = (tag::video(&body), tag::audio(&body));
            }
        }
    }
}
