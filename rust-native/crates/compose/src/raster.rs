//! An item's picture as it is laid over what is below: scaled, keyed, turned, made transparent; kept until its
//! source changes.
//!
//! Samples with an alpha are premultiplied, their offset (16, 128) included: "over" is then one product and one sum
//! in every plane, `raster + below * (255 - alpha) / 255`.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x4;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use media::{Alpha, Picture, Plane, Size};
use scene::{ChromaKey, Item, Rotation};

use crate::blend::{self, scaled};
use crate::convert::convert;
use crate::key::KeyTable;
use crate::planes::{Scaler, View, conversion, part};
use crate::region::Area;
use crate::tiles::{Kind, Tiles};
use crate::{ComposeError, Rect};

/// See the module.
#[derive(Debug)]
pub(crate) struct Raster {
    picture: Picture,
    cover: Cover,
}

#[derive(Debug)]
enum Cover {
    Opaque,
    /// The same alpha everywhere.
    Uniform(u8),
    Varying {
        alpha: AlphaPlanes,
        tiles: Tiles,
    },
}

/// One for luma, one for chroma.
type AlphaPlanes = [Plane; 2];

impl Raster {
    /// Whether nothing below it can be seen.
    pub(crate) fn is_opaque(&self) -> bool {
        matches!(self.cover, Cover::Opaque)
    }

    /// Draws `area` of the raster over the picture; `origin` is where the raster begins there.
    pub(crate) fn draw(&self, area: Area, out: &mut Picture, origin: (i32, i32)) {
        match &self.cover {
            Cover::Opaque => blend::copy(&self.picture, area, out, origin),
            Cover::Uniform(alpha) => blend::over_uniform(&self.picture, 255 - alpha, area, out, origin),
            Cover::Varying { alpha: [full, half], tiles } => tiles.runs(area, |kind, run| match kind {
                Kind::Clear => {}
                Kind::Solid => blend::copy(&self.picture, run, out, origin),
                Kind::Mixed => blend::over(&self.picture, [full, half], run, out, origin),
            }),
        }
    }
}

/// Makes rasters of one item.
#[derive(Default)]
pub(crate) struct Painter {
    scaler: Scaler,
    resizer: Resizer,
    key: Option<KeyTable>,
}

impl Painter {
    /// The raster of what `view` shows, `size` large once it is turned (even).
    pub(crate) fn paint(
        &mut self,
        view: View<'_>,
        alpha: Alpha,
        item: &Item,
        size: Size,
        spare: Option<Raster>,
    ) -> Result<Raster, ComposeError> {
        let upright = if item.rotation.is_sideways() { Size { width: size.height, height: size.width } } else { size };
        let (mut picture, mut planes) = match alpha {
            Alpha::Opaque => (self.opaque(view, upright, spare)?, None),
            Alpha::Premultiplied => {
                let (picture, planes) = self.transparent(view, upright)?;
                (picture, Some(planes))
            }
        };
        if let Some(key) = &item.chroma_key {
            let planes = planes.get_or_insert_with(|| opaque_planes(upright));
            apply_key(self.table(key), &mut picture, planes);
        }
        let opacity = (item.opacity * 255.0).round() as u8;
        if opacity < 255 {
            let planes = planes.iter_mut().flatten();
            for plane in picture.planes.iter_mut().chain(planes) {
                plane.data.iter_mut().for_each(|value| *value = scaled(*value, opacity));
            }
        }
        if item.rotation != Rotation::None {
            picture = turn_picture(&picture, item.rotation, size);
            planes = planes.map(|[full, half]| {
                let halved = Size { width: upright.width / 2, height: upright.height / 2 };
                [turn(&full, upright, item.rotation), turn(&half, halved, item.rotation)]
            });
        }
        let cover = match planes {
            Some(alpha) => match Tiles::of(&alpha[0], size.width as usize, size.height as usize) {
                tiles if tiles.is_solid() => Cover::Opaque,
                tiles => Cover::Varying { alpha, tiles },
            },
            None if opacity < 255 => Cover::Uniform(opacity),
            None => Cover::Opaque,
        };
        Ok(Raster { picture, cover })
    }

    fn opaque(&mut self, view: View<'_>, size: Size, spare: Option<Raster>) -> Result<Picture, ComposeError> {
        let spare = spare.map(|raster| raster.picture).filter(|picture| picture.size == size);
        let mut picture = spare.unwrap_or_else(|| Picture::black(size));
        let whole = Rect { x: 0, y: 0, size };
        if view.size.even() == size {
            convert(view, &mut picture, whole)?;
        } else {
            self.scaler.draw(view, &mut picture, whole)?;
        }
        Ok(picture)
    }

    /// For picture files and text: rare, so plain arithmetic and a pass more than the others.
    fn transparent(&mut self, view: View<'_>, size: Size) -> Result<(Picture, AlphaPlanes), ComposeError> {
        let Size { width, height } = view.size;
        let mut packed: Vec<u8> = (0..height).flat_map(|y| view.row(y).iter().copied()).collect();
        let (across, down) = (size.width as usize, size.height as usize);
        if view.size.even() == size {
            packed = repeat_edge(&packed, view.size, size);
        } else {
            let smaller = size.width < width || size.height < height;
            let filter = if smaller { FilterType::Hamming } else { FilterType::Bilinear };
            // The colours are premultiplied: they are scaled as they are.
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
            let source = TypedImageRef::<U8x4>::from_buffer(width, height, &packed).map_err(conversion)?;
            let mut pixels = vec![0; 4 * across * down];
            let mut target =
                TypedImage::<U8x4>::from_buffer(size.width, size.height, &mut pixels).map_err(conversion)?;
            self.resizer.resize_typed(&source, &mut target, &options).map_err(conversion)?;
            packed = pixels;
        }
        Ok(premultiplied_planes(&packed, size))
    }

    fn table(&mut self, key: &ChromaKey) -> &KeyTable {
        let table = self.key.take().filter(|table| table.is_of(key));
        self.key.insert(table.unwrap_or_else(|| KeyTable::new(*key)))
    }
}

/// A packed picture with its last column and row written twice where `size` is one larger.
fn repeat_edge(packed: &[u8], own: Size, size: Size) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let (x, y) = (x.min(own.width - 1), y.min(own.height - 1));
        &packed[4 * (y as usize * own.width as usize + x as usize)..][..4]
    };
    (0..size.height).flat_map(|y| (0..size.width).flat_map(move |x| pixel(x, y)).copied()).collect()
}

/// ITU-R BT.709-6, limited range, of premultiplied BGRA; the offsets are multiplied by the alpha, too.
fn premultiplied_planes(packed: &[u8], size: Size) -> (Picture, AlphaPlanes) {
    let mut picture = Picture::black(size);
    let [mut full, mut half] = opaque_planes(size);
    let width = size.width as usize;
    let rounded = |value: f32| (value + 0.5).clamp(0.0, 255.0) as u8;
    let [luma, blue_chroma, red_chroma] = &mut picture.planes;
    for y in (0..size.height as usize).step_by(2) {
        for x in (0..width).step_by(2) {
            let mut sum = [0.0_f32; 4];
            for (column, row) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
                let at = 4 * (row * width + column);
                let [b, g, r, a] = [0, 1, 2, 3].map(|channel| f32::from(packed[at + channel]));
                let bright = 0.2126 * r + 0.7152 * g + 0.0722 * b;
                luma.data[row * luma.stride + column] = rounded((219.0 * bright + 16.0 * a) / 255.0);
                full.data[row * full.stride + column] = packed[at + 3];
                for (sum, value) in sum.iter_mut().zip([b, bright, r, a]) {
                    *sum += value / 4.0;
                }
            }
            let [b, bright, r, a] = sum;
            let at = y / 2 * blue_chroma.stride + x / 2;
            blue_chroma.data[at] = rounded((224.0 * (b - bright) / 1.8556 + 128.0 * a) / 255.0);
            red_chroma.data[at] = rounded((224.0 * (r - bright) / 1.5748 + 128.0 * a) / 255.0);
            half.data[y / 2 * half.stride + x / 2] = rounded(a);
        }
    }
    (picture, [full, half])
}

fn opaque_planes(size: Size) -> AlphaPlanes {
    [0, 1].map(|index| {
        let (width, height) = part(index, size.width, size.height);
        let stride = width.next_multiple_of(32);
        Plane { data: vec![255; stride * height], stride }
    })
}

/// Multiplies the key's alpha into samples and alphas. A chroma sample decides for the four pixels it covers.
fn apply_key(table: &KeyTable, picture: &mut Picture, [full, half]: &mut AlphaPlanes) {
    let (width, height) = part(1, picture.size.width, picture.size.height);
    let [luma, u_plane, v_plane] = &mut picture.planes;
    for y in 0..height {
        for x in 0..width {
            let at = y * u_plane.stride + x;
            let (u, v) = (&mut u_plane.data[at], &mut v_plane.data[at]);
            let covered = &mut half.data[y * half.stride + x];
            let straight = |value: u8| match *covered {
                0 | 255 => value,
                alpha => (u16::from(value) * 255 / u16::from(alpha)).min(255) as u8,
            };
            let (alpha, keyed_u, keyed_v) = table.look_up(straight(*u), straight(*v));
            *covered = scaled(*covered, alpha);
            (*u, *v) = (scaled(keyed_u, *covered), scaled(keyed_v, *covered));
            if alpha == 255 {
                continue;
            }
            for plane in [&mut *luma, &mut *full] {
                let at = 2 * y * plane.stride + 2 * x;
                for at in [at, at + 1, at + plane.stride, at + plane.stride + 1] {
                    plane.data[at] = scaled(plane.data[at], alpha);
                }
            }
        }
    }
}

fn turn_picture(picture: &Picture, rotation: Rotation, size: Size) -> Picture {
    let mut turned = Picture { size, planes: Default::default(), captured_at: picture.captured_at };
    for (index, plane) in picture.planes.iter().enumerate() {
        let (width, height) = part(index, picture.size.width, picture.size.height);
        turned.planes[index] = turn(plane, Size { width: width as u32, height: height as u32 }, rotation);
    }
    turned
}

/// A plane of `size` turned clockwise.
fn turn(plane: &Plane, size: Size, rotation: Rotation) -> Plane {
    let (width, height) = (size.width as usize, size.height as usize);
    let (across, down) = if rotation.is_sideways() { (height, width) } else { (width, height) };
    let stride = across.next_multiple_of(32);
    let mut data = vec![0; stride * down];
    for y in 0..down {
        let row = &mut data[y * stride..][..across];
        match rotation {
            Rotation::None => row.copy_from_slice(&plane.data[y * plane.stride..][..width]),
            Rotation::Half => {
                let from = plane.data[(height - 1 - y) * plane.stride..][..width].iter().rev();
                row.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
            Rotation::Quarter => {
                row.iter_mut().enumerate().for_each(|(x, to)| *to = plane.data[(height - 1 - x) * plane.stride + y]);
            }
            Rotation::ThreeQuarters => {
                row.iter_mut().enumerate().for_each(|(x, to)| *to = plane.data[x * plane.stride + width - 1 - y]);
            }
        }
    }
    Plane { data, stride }
}
