//! The boxes of a track and of a movie (ISO/IEC 14496-12), filled in for what we record and pack.

use bytes::BytesMut;
use media::AAC_CONFIG;
use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig};
use mp4_atom::{
    Audio, Co64, Codec, Dinf, Dops, Dref, DrefEntry, Edts, Elst, ElstEntry, Encode, Esds, FixedPoint, FourCC, Ftyp,
    Hdlr, Mdhd, Mdia, Minf, Mp4a, Mvhd, Opus, Smhd, Stbl, Stsc, Stsd, Stss, Stsz, Stts, Tfdt, Tfhd, Tkhd, Traf, Trak,
    Trun, TrunEntry, Url, Vmhd,
};

use crate::picture::picture_entry;
use crate::{AUDIO_RATE, AudioCodec, ContainerError, Layout, Sample, VIDEO_RATE};

pub(crate) const VIDEO_ID: u32 = 1;
pub(crate) const AUDIO_ID: u32 = 2;
/// The first input beside the mix; the others follow.
pub(super) const INPUT_ID: u32 = 3;
/// The movie's own clock, for durations and edits.
pub(super) const MOVIE_RATE: u32 = VIDEO_RATE;
/// `sample_depends_on = 2`: a keyframe, or sound (section 8.8.3.1).
pub(crate) const FLAGS_KEY: u32 = 0x0200_0000;
/// `sample_depends_on = 1`, `sample_is_non_sync_sample`.
pub(crate) const FLAGS_DELTA: u32 = 0x0101_0000;

/// What a plain file says of a track's samples; a fragmented one's are empty.
#[derive(Default)]
pub(crate) struct Tables {
    pub(super) ticks: u64,
    pub(super) first: u64,
    pub(super) stts: Stts,
    pub(super) stsc: Stsc,
    pub(super) stsz: Stsz,
    pub(super) stss: Option<Stss>,
    pub(super) places: Vec<u64>,
}

/// The tracks of a file, from [`VIDEO_ID`] on without a gap.
pub(super) fn ids(layout: &Layout) -> Vec<u32> {
    let sound = layout.audio.iter().map(|_| AUDIO_ID);
    let inputs = (INPUT_ID..).zip(&layout.inputs).map(|(id, _)| id);
    std::iter::once(VIDEO_ID).chain(sound).chain(inputs).collect()
}

/// Of a track among its file's.
pub(super) fn place(id: u32) -> usize {
    (id - VIDEO_ID) as usize
}

pub(crate) fn track(layout: &Layout, id: u32, tables: Tables) -> Result<Trak, ContainerError> {
    let video = id == VIDEO_ID;
    let rate = if video { VIDEO_RATE } else { AUDIO_RATE };
    // What a plain file's track lacks before its first sample; a fragmented one's says it in each `tfdt`.
    let late = if tables.stts.entries.is_empty() { 0 } else { to_movie(tables.first, rate) };
    let heard = to_movie(tables.ticks, rate);
    let mut edits = Vec::new();
    if late > 0 {
        edits.push(ElstEntry { segment_duration: late, media_time: None, media_rate: 1.into() });
        edits.push(ElstEntry { segment_duration: heard, media_time: Some(0), media_rate: 1.into() });
    }
    let codec = if video { picture_entry(layout)? } else { sound_entry(layout, id) };
    let handler = if video { b"vide" } else { b"soun" };
    let input = place(id).checked_sub(place(INPUT_ID)).and_then(|input| layout.inputs.get(input));
    let name = input.map_or(if video { "Pictures" } else { "Sound" }, |input| &input.name);
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![codec] },
        stts: tables.stts,
        stss: tables.stss,
        stsc: tables.stsc,
        stsz: tables.stsz,
        co64: Some(Co64 { entries: tables.places }),
        ..Default::default()
    };
    let dinf = Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url { location: String::new() })] } };
    let minf =
        Minf { vmhd: video.then(Vmhd::default), smhd: (!video).then(Smhd::default), dinf, stbl, ..Default::default() };
    Ok(Trak {
        tkhd: Tkhd {
            track_id: id,
            duration: late + heard,
            alternate_group: u16::from(!video),
            // The mix is what players are to play; of an alternate group they take what is enabled.
            enabled: id < INPUT_ID,
            in_movie: true,
            volume: if video { 0.into() } else { 1.into() },
            width: FixedPoint::new(if video { layout.size.width as u16 } else { 0 }, 0),
            height: FixedPoint::new(if video { layout.size.height as u16 } else { 0 }, 0),
            ..Default::default()
        },
        edts: (!edits.is_empty()).then_some(Edts { elst: Some(Elst { entries: edits }) }),
        mdia: Mdia {
            mdhd: Mdhd { timescale: rate, duration: tables.ticks, language: "und".into(), ..Default::default() },
            hdlr: Hdlr { handler: FourCC::new(handler), name: name.into() },
            minf,
        },
        ..Default::default()
    })
}

fn sound_entry(layout: &Layout, id: u32) -> Codec {
    let audio = Audio {
        data_reference_index: 1,
        channel_count: 2,
        sample_size: 16,
        sample_rate: FixedPoint::new(AUDIO_RATE as u16, 0),
    };
    let codec = layout.audio.as_ref().map_or(AudioCodec::Aac, |audio| audio.codec);
    if codec == AudioCodec::Opus && id < INPUT_ID {
        let dops = Dops {
            output_channel_count: 2,
            pre_skip: codec.delay() as u16,
            input_sample_rate: AUDIO_RATE,
            output_gain: 0,
            channel_mapping: None,
        };
        return Codec::Opus(Opus { audio, dops, btrt: None });
    }
    let dec_config = DecoderConfig {
        // MPEG-4 Audio, an audio stream (ISO/IEC 14496-1 tables 5 and 6).
        object_type_indication: 0x40,
        stream_type: 5,
        dec_specific: Some(DecoderSpecific { profile: 2, freq_index: 3, chan_conf: 2, raw: AAC_CONFIG.to_vec() }),
        ..Default::default()
    };
    let es_desc = EsDescriptor { es_id: id as u16, dec_config, sl_config: SLConfig {}, ..Default::default() };
    Codec::Mp4a(Mp4a { audio, esds: Esds { es_desc }, btrt: None, taic: None })
}

pub(crate) fn track_fragment(id: u32, samples: &[Sample], at: usize) -> Traf {
    let entry = |sample: &Sample| TrunEntry {
        duration: Some(sample.duration),
        size: Some(sample.data.len() as u32),
        flags: (id == VIDEO_ID).then_some(if sample.keyframe { FLAGS_KEY } else { FLAGS_DELTA }),
        cts: None,
    };
    let start = samples.first().map_or(0, |sample| sample.time);
    Traf {
        tfhd: Tfhd { track_id: id, default_base_is_moof: true, ..Default::default() },
        tfdt: Some(Tfdt { base_media_decode_time: start }),
        trun: vec![Trun {
            data_offset: Some(i32::try_from(at).unwrap_or(i32::MAX)),
            samples: samples.iter().map(entry).collect::<Vec<_>>().into(),
        }],
        ..Default::default()
    }
}

pub(crate) fn bytes_of(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| sample.data.len()).sum()
}

/// `tracks` are numbered from [`VIDEO_ID`] on.
pub(crate) fn movie_header(duration: u64, tracks: u32) -> Mvhd {
    Mvhd {
        timescale: MOVIE_RATE,
        duration,
        rate: 1.into(),
        volume: 1.into(),
        next_track_id: tracks + VIDEO_ID,
        ..Default::default()
    }
}

pub(crate) fn brands(brands: &[&[u8; 4]]) -> Ftyp {
    let compatible_brands = brands.iter().map(|brand| FourCC::new(brand)).collect::<Vec<_>>();
    Ftyp { major_brand: compatible_brands[0], minor_version: 0, compatible_brands }
}

pub(crate) fn encoded(atom: &impl Encode) -> Result<BytesMut, ContainerError> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes)?;
    Ok(BytesMut::from(bytes.as_slice()))
}

fn to_movie(ticks: u64, rate: u32) -> u64 {
    ticks * u64::from(MOVIE_RATE) / u64::from(rate)
}
