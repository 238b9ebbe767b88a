//! The sheet figures are drawn on: one set of strokes and words for SVG and PNG, over plotters' back ends.
//!
//! Coordinates are CSS pixels with the origin at the top left. A PNG is drawn at [`PNG_SCALE`] times that size, so that
//! it stays sharp on a dense screen. Plotters' own bitmap text drops each glyph's left bearing and sits it above its
//! anchor, so [`Lettered`] sets the words itself, with the same bundled font that measures them.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, Point, PxScale, ScaleFont as _};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};

use crate::context::visible;

/// Pixels of a PNG per CSS pixel.
pub const PNG_SCALE: u32 = 2;

/// Words and axes.
pub const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Secondary words.
pub const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6A);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xDD, 0xE1, 0xE6);
/// Behind everything.
pub const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Data (Okabe–Ito blue).
pub const DATA: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// What is pointed at (Okabe–Ito vermilion).
pub const ACCENT: RGBColor = RGBColor(0xD5, 0x5E, 0x00);

/// Every colour a figure may hold; the page's style sheet maps each for dark screens.
#[cfg(test)]
pub const PALETTE: [RGBColor; 6] = [INK, MUTED, GRID, PAPER, DATA, ACCENT];

/// Family named in the figures; every viewer has one.
const FAMILY: &str = "sans-serif";
/// Plotters writes an SVG font size of a 1.24th of what it is told.
const PLOTTERS_FONT_RATIO: f64 = 1.24;

static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| font(include_bytes!("fonts/DejaVuSans.ttf")));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| font(include_bytes!("fonts/DejaVuSans-Bold.ttf")));

fn font(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the bundled font is well-formed")
}

/// A drawing could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DrawError(String);

/// Which part of a line of words stands at a given point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Where it begins.
    Start,
    /// Its middle.
    Middle,
    /// Where it ends.
    End,
}

/// How words are set.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    /// Height of the em square in pixels.
    pub size: f64,
    /// Bold or regular.
    pub bold: bool,
    /// Colour.
    pub ink: RGBColor,
    /// What stands at the given point; vertically it is always the middle.
    pub anchor: Anchor,
}

impl Type {
    /// Words of an axis or a row.
    pub const LABEL: Self = Self { size: 12.0, bold: false, ink: INK, anchor: Anchor::Start };
    /// Ticks, units and remarks.
    pub const SMALL: Self = Self { size: 11.5, bold: false, ink: MUTED, anchor: Anchor::Start };
    /// Headings.
    pub const TITLE: Self = Self { size: 15.0, bold: true, ink: INK, anchor: Anchor::Start };

    /// The same, ending at the given point.
    pub const fn right(mut self) -> Self {
        self.anchor = Anchor::End;
        self
    }

    /// The same, centred on the given point.
    pub const fn centred(mut self) -> Self {
        self.anchor = Anchor::Middle;
        self
    }

    /// Width of `text` in pixels.
    pub fn width(self, text: &str) -> f64 {
        let face = face(self.bold);
        let scaled = face.as_scaled(em(face, self.size));
        text.chars().map(|c| f64::from(scaled.h_advance(scaled.glyph_id(c)))).sum()
    }

    /// `text` as one clean line, shortened with `…` to at most `width` pixels.
    pub fn fit(self, text: &str, width: f64) -> String {
        let line = visible(text).into_owned();
        if self.width(&line) <= width {
            return line;
        }
        let room = width - self.width("…");
        let mut kept = String::new();
        let mut used = 0.0;
        for c in line.chars() {
            used += self.width(c.encode_utf8(&mut [0; 4]));
            if used > room {
                break;
            }
            kept.push(c);
        }
        kept.truncate(kept.trim_end_matches([' ', '\u{200D}']).len());
        kept.push('…');
        kept
    }

    /// `text` broken between words into at most `most` lines of `width` pixels, the last one shortened.
    pub fn wrap(self, text: &str, width: f64, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in visible(text).split(' ') {
            match lines.last_mut() {
                Some(line) if lines_fit(self, line, word, width) => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        if lines.len() > most {
            let rest = lines.split_off(most - 1).join(" ");
            lines.push(rest);
        }
        lines.iter().map(|line| self.fit(line, width)).collect()
    }
}

fn lines_fit(set: Type, line: &str, word: &str, width: f64) -> bool {
    set.width(line) + set.width(" ") + set.width(word) <= width
}

fn face(bold: bool) -> &'static FontRef<'static> {
    if bold { &BOLD } else { &REGULAR }
}

/// `ab_glyph` counts in line heights, everybody else in ems.
fn em(face: &FontRef<'_>, size: f64) -> PxScale {
    let units = face.units_per_em().expect("the bundled font has a scalable em");
    PxScale::from(size as f32 * face.height_unscaled() / units)
}

/// A sheet of paper.
pub struct Canvas<DB: DrawingBackend> {
    area: DrawingArea<DB, Shift>,
    scale: f64,
    /// Width in CSS pixels.
    pub width: f64,
    /// Height in CSS pixels.
    pub height: f64,
}

/// Draws an SVG of `width` × `height` pixels and returns its text.
pub fn svg(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Canvas<SVGBackend<'_>>) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    let mut text = String::new();
    let canvas = Canvas {
        area: SVGBackend::with_string(&mut text, (width, height)).into_drawing_area(),
        scale: 1.0,
        width: f64::from(width),
        height: f64::from(height),
    };
    canvas.finish(draw)?;
    Ok(text)
}

/// Draws a PNG of `width` × `height` CSS pixels and returns its bytes.
pub fn png(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Canvas<Lettered<'_>>) -> Result<(), DrawError>,
) -> Result<Vec<u8>, DrawError> {
    let (columns, rows) = (width * PNG_SCALE, height * PNG_SCALE);
    let mut pixels = vec![0; columns as usize * rows as usize * 3];
    let canvas = Canvas {
        area: Lettered(BitMapBackend::with_buffer(&mut pixels, (columns, rows))).into_drawing_area(),
        scale: f64::from(PNG_SCALE),
        width: f64::from(width),
        height: f64::from(height),
    };
    canvas.finish(draw)?;
    encode(columns, rows, &pixels).map_err(|e| DrawError(e.to_string()))
}

/// Plotters' own encoder favours speed; a report is kept, mailed and committed.
fn encode(columns: u32, rows: u32, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, columns, rows);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Best);
    encoder.set_adaptive_filter(png::AdaptiveFilterType::NonAdaptive);
    encoder.set_filter(png::FilterType::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

impl<DB: DrawingBackend> Canvas<DB> {
    fn finish(self, draw: impl FnOnce(&Self) -> Result<(), DrawError>) -> Result<(), DrawError> {
        self.area.fill(&PAPER).map_err(|e| DrawError::of::<DB>(&e))?;
        draw(&self)?;
        self.area.present().map_err(|e| DrawError::of::<DB>(&e))
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn stroke(&self, colour: RGBColor, opacity: f64, width: f64) -> ShapeStyle {
        Color::stroke_width(&colour.mix(opacity), (width * self.scale).round().max(1.0) as u32)
    }

    /// A polyline.
    pub fn path(
        &self,
        points: &[(f64, f64)],
        colour: RGBColor,
        opacity: f64,
        width: f64,
    ) -> Result<(), DrawError> {
        let points: Vec<_> = points.iter().map(|&p| self.at(p)).collect();
        self.area
            .draw(&PathElement::new(points, self.stroke(colour, opacity, width)))
            .map_err(|e| DrawError::of::<DB>(&e))
    }

    /// A filled rectangle between two corners.
    pub fn rect(
        &self,
        from: (f64, f64),
        to: (f64, f64),
        colour: RGBColor,
        opacity: f64,
    ) -> Result<(), DrawError> {
        self.area
            .draw(&Rectangle::new([self.at(from), self.at(to)], colour.mix(opacity).filled()))
            .map_err(|e| DrawError::of::<DB>(&e))
    }

    /// A filled disc.
    pub fn disc(
        &self,
        centre: (f64, f64),
        radius: f64,
        colour: RGBColor,
        opacity: f64,
    ) -> Result<(), DrawError> {
        let radius = (radius * self.scale).round().max(1.0) as i32;
        self.area
            .draw(&Circle::new(self.at(centre), radius, colour.mix(opacity).filled()))
            .map_err(|e| DrawError::of::<DB>(&e))
    }

    /// Words, their vertical middle at `at`.
    pub fn text(&self, text: &str, at: (f64, f64), set: Type) -> Result<(), DrawError> {
        let anchor = match set.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = TextStyle::from((FAMILY, set.size * self.scale * PLOTTERS_FONT_RATIO).into_font())
            .color(&set.ink)
            .pos(Pos::new(anchor, VPos::Center));
        let weight = if set.bold { FontStyle::Bold } else { FontStyle::Normal };
        let style = TextStyle { font: style.font.clone().style(weight), ..style };
        self.area
            .draw(&Text::new(visible(text).into_owned(), self.at(at), style))
            .map_err(|e| DrawError::of::<DB>(&e))
    }
}

type AreaError<DB> = DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>;

impl DrawError {
    fn of<DB: DrawingBackend>(error: &AreaError<DB>) -> Self {
        Self(error.to_string())
    }
}

/// A bitmap whose words are set by us.
pub struct Lettered<'a>(BitMapBackend<'a>);

type BitmapError<'a> = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

impl<'a> DrawingBackend for Lettered<'a> {
    type ErrorType = BitmapError<'a>;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.present()
    }

    fn draw_pixel(
        &mut self,
        at: BackendCoord,
        colour: BackendColor,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.draw_pixel(at, colour)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.draw_rect(from, to, style, fill)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        at: BackendCoord,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        debug_assert!(matches!(style.family(), FontFamily::SansSerif), "only the bundled font is drawn");
        let face = face(matches!(style.style(), FontStyle::Bold));
        let size = style.size() / PLOTTERS_FONT_RATIO;
        let scale = em(face, size);
        let scaled = face.as_scaled(scale);
        let width: f32 = text.chars().map(|c| scaled.h_advance(scaled.glyph_id(c))).sum();
        let mut x = at.0 as f32
            - match style.anchor().h_pos {
                HPos::Left => 0.0,
                HPos::Center => width / 2.0,
                HPos::Right => width,
            };
        // Half the height of an `x`, as SVG's `0.5ex`.
        let baseline = at.1 as f32 + (0.273 * size) as f32;
        let colour = style.color();
        for c in text.chars() {
            let id = scaled.glyph_id(c);
            let glyph = id.with_scale_and_position(scale, Point { x, y: baseline });
            x += scaled.h_advance(id);
            let Some(outline) = face.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let mut result = Ok(());
            outline.draw(|dx, dy, coverage| {
                if coverage > 0.0 && result.is_ok() {
                    let alpha = colour.alpha * f64::from(coverage.min(1.0));
                    let point = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
                    result = self.0.draw_pixel(point, BackendColor { alpha, rgb: colour.rgb });
                }
            });
            result?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_label_is_shortened_to_its_room_and_a_short_one_kept() {
        let long = "a very long name ".repeat(20);
        let fitted = Type::LABEL.fit(&long, 120.0);
        assert!(fitted.ends_with('…') && Type::LABEL.width(&fitted) <= 120.0, "{fitted}");
        assert_eq!(Type::LABEL.fit("Ada", 120.0), "Ada");
    }

    #[test]
    fn a_title_wraps_between_words_and_ends_with_an_ellipsis() {
        let lines = Type::TITLE.wrap(&"one two three ".repeat(30), 200.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…') && lines.iter().all(|l| Type::TITLE.width(l) <= 200.0), "{lines:?}");
    }
}
