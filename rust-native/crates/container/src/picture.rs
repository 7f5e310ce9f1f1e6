//! The picture's sample entry in an MP4, whichever codec it is: ISO/IEC 14496-15 for H.264 and HEVC, AV1 in ISOBMFF.

use media::{Parameters, h264};
use mp4_atom::{Atom, Av01, Av1c, Avc1, Avcc, AvccExt, Codec, Colr, Compressor, Hvc1, Hvcc, Visual};

use crate::{ContainerError, Layout};

/// The brand of files that hold such pictures.
pub(crate) fn brand(parameters: &Parameters) -> &'static [u8; 4] {
    match parameters {
        Parameters::H264(_) => b"avc1",
        Parameters::Hevc(_) => b"hvc1",
        Parameters::Av1(_) => b"av01",
    }
}

pub(crate) fn picture_entry(layout: &Layout) -> Result<Codec, ContainerError> {
    let visual = Visual {
        data_reference_index: 1,
        width: layout.size.width as u16,
        height: layout.size.height as u16,
        horizresolution: 0x48.into(),
        vertresolution: 0x48.into(),
        frame_count: 1,
        compressor: Compressor::default(),
        depth: 0x18,
    };
    // BT.709 in limited range, as all of the engine's pictures are (ITU-T H.273).
    let colr = Some(Colr::Nclx {
        colour_primaries: 1,
        transfer_characteristics: 1,
        matrix_coefficients: 1,
        full_range_flag: false,
    });
    let record = || layout.parameters.configuration_record();
    Ok(match &layout.parameters {
        Parameters::H264(sets) => Codec::Avc1(Avc1 {
            visual,
            avcc: avcc(sets)?,
            colr,
            btrt: None,
            pasp: None,
            taic: None,
            fiel: None,
            spatial: None,
        }),
        Parameters::Hevc(_) => {
            let hvcc = Hvcc::decode_body(&mut record().as_ref())?;
            Codec::Hvc1(Hvc1 { visual, hvcc, colr, ..Default::default() })
        }
        Parameters::Av1(_) => {
            let av1c = Av1c::decode_body(&mut record().as_ref())?;
            Codec::Av01(Av01 { visual, av1c, colr, ..Default::default() })
        }
    })
}

fn avcc(sets: &h264::ParameterSets) -> Result<Avcc, ContainerError> {
    let mut avcc = Avcc::new(&sets.sps, &sets.pps)?;
    avcc.ext = (!matches!(sets.sps[1], 66 | 77 | 88)).then(AvccExt::default);
    Ok(avcc)
}
