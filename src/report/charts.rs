//! The figures: every shape of [`Marks`] in one house style, as SVG text and as PNG.
//!
//! Okabe–Ito colours, words instead of codes, the y axis named above itself so that nobody turns their head, no frame,
//! no legend that a label could replace. Long labels are shortened with `…`; the tables hold them whole.

use std::collections::BTreeMap;

use plotters::backend::DrawingBackend;

use super::axis::{Axis, Reads};
use super::canvas::{self, ACCENT, Canvas, DATA, DrawError, GRID, MUTED, Type};
use super::{network, numbers};
use crate::context::visible;
use crate::studies::findings::{Chart, Estimate, Marks};

/// Rows a bar or forest figure shows; the table holds the rest.
const MOST_ROWS: usize = 20;
const ROW: f64 = 26.0;
/// Points closer than this many pixels are drawn as one larger dot.
const CELL: f64 = 4.0;

/// How wide a figure is and whether it bears its own title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// CSS pixels.
    pub width: u32,
    /// Whether the title is drawn; in the page it stands above the figure.
    pub titled: bool,
}

impl Look {
    /// A file that stands for itself.
    pub const FILE: Self = Self { width: 720, titled: true };
    /// In the page, on a desk.
    pub const WIDE: Self = Self { width: 720, titled: false };
    /// In the page, on a phone.
    pub const NARROW: Self = Self { width: 350, titled: false };

    fn is_narrow(self) -> bool {
        self.width < 500
    }

    fn title(self, chart: &Chart) -> Vec<String> {
        if self.titled { Type::TITLE.wrap(&chart.title, f64::from(self.width) - 8.0, 2) } else { Vec::new() }
    }
}

/// The figure as SVG text. `O(marks)` time and memory.
pub fn svg(chart: &Chart, look: Look) -> Result<String, DrawError> {
    canvas::svg((look.width, height(chart, look)), |sheet| paint(sheet, chart, look))
}

/// The figure as a PNG at twice its CSS size. `O(pixels + marks)` time and memory.
pub fn png(chart: &Chart, look: Look) -> Result<Vec<u8>, DrawError> {
    canvas::png((look.width, height(chart, look)), |sheet| paint(sheet, chart, look))
}

/// Whether there is anything to draw.
pub fn is_empty(chart: &Chart) -> bool {
    match &chart.marks {
        Marks::Bars { bars } => bars.iter().all(|(_, x)| !x.is_finite()),
        Marks::Forest { rows, .. } => forest_rows(rows).is_empty(),
        Marks::Scatter { points, log_x, log_y } => points.iter().all(|&p| !drawable(p, *log_x, *log_y)),
        Marks::Ccdf { steps } => steps.iter().all(|&p| !drawable(p, true, true)),
        Marks::Network { nodes, .. } => nodes.is_empty(),
    }
}

/// A line without axes that shows how a count went, week by week.
pub fn sparkline(values: &[i64]) -> Result<String, DrawError> {
    let largest = values.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = 112.0 / (values.len().max(2) - 1) as f64;
    let points: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(i, &v)| (4.0 + i as f64 * step, 26.0 - 22.0 * v as f64 / largest))
        .collect();
    canvas::svg((120, 30), |sheet| {
        sheet.path(&[(4.0, 27.0), (116.0, 27.0)], GRID, 1.0, 1.0)?;
        sheet.path(&points, DATA, 1.0, 2.0)?;
        points.last().map_or(Ok(()), |&end| sheet.disc(end, 3.0, ACCENT, 1.0))
    })
}

fn height(chart: &Chart, look: Look) -> u32 {
    let title = look.title(chart).len() as u32 * 20;
    let rows = |n: usize| (n.clamp(1, MOST_ROWS) as f64 * ROW) as u32;
    let body = match &chart.marks {
        _ if is_empty(chart) => 60,
        Marks::Bars { bars } => 30 + rows(bars.len()) + if bars.len() > MOST_ROWS { 20 } else { 0 },
        Marks::Forest { rows: all, .. } => {
            let n = forest_rows(all).len();
            76 + rows(n) + if n > MOST_ROWS { 20 } else { 0 }
        }
        Marks::Scatter { .. } | Marks::Ccdf { .. } => {
            if look.is_narrow() {
                300
            } else {
                360
            }
        }
        Marks::Network { nodes, .. } => {
            let most = if look.is_narrow() { 360 } else { 460 };
            (130 + 12 * nodes.len() as u32).min(most)
        }
    };
    title + body
}

fn paint<DB: DrawingBackend>(sheet: &Canvas<DB>, chart: &Chart, look: Look) -> Result<(), DrawError> {
    let mut top = 0.0;
    for line in look.title(chart) {
        sheet.text(&line, (2.0, top + 11.0), Type::TITLE)?;
        top += 20.0;
    }
    if is_empty(chart) {
        return sheet.text("nothing to draw", (sheet.width / 2.0, top + 30.0), Type::SMALL.centred());
    }
    match &chart.marks {
        Marks::Bars { bars } => paint_bars(sheet, top, bars, chart),
        Marks::Forest { rows, reference } => {
            paint_forest(sheet, top, &forest_rows(rows), *reference, chart, look)
        }
        Marks::Scatter { points, log_x, log_y } => paint_scatter(sheet, top, points, (*log_x, *log_y), chart),
        Marks::Ccdf { steps } => paint_ccdf(sheet, top, steps, chart),
        Marks::Network { nodes, edges } => network::paint(sheet, top, nodes, edges),
    }
}

/// Width of a column of row labels: what the longest needs, at most a part of the sheet.
fn label_column<'a>(labels: impl Iterator<Item = &'a str>, most: f64) -> f64 {
    labels.map(|l| Type::LABEL.width(&visible(l))).fold(0.0, f64::max).min(most)
}

fn paint_bars<DB: DrawingBackend>(
    sheet: &Canvas<DB>,
    top: f64,
    bars: &[(String, f64)],
    chart: &Chart,
) -> Result<(), DrawError> {
    let drawn: Vec<(&str, f64)> =
        bars.iter().filter(|(_, x)| x.is_finite()).take(MOST_ROWS).map(|(l, x)| (l.as_str(), *x)).collect();
    let largest = drawn.iter().map(|b| b.1).fold(0.0, f64::max);
    let smallest = drawn.iter().map(|b| b.1).fold(0.0, f64::min);
    let reads = Reads::of(&chart.axes.0, largest);
    let write = reads.values(drawn.iter().map(|b| b.1));
    let left = label_column(drawn.iter().map(|b| b.0), sheet.width * 0.42) + 10.0;
    let numbers = drawn.iter().map(|b| Type::LABEL.width(&write(b.1))).fold(0.0, f64::max);
    // The longest bar fills the room; a round end would only waste it.
    let per_unit = (sheet.width - numbers - 10.0 - left) / (largest - smallest).max(f64::MIN_POSITIVE);
    let zero = left - smallest * per_unit;
    sheet.text(&Type::SMALL.fit(&chart.axes.0, sheet.width - left), (left, top + 10.0), Type::SMALL)?;
    for (i, (label, x)) in drawn.iter().enumerate() {
        let y = top + 26.0 + i as f64 * ROW;
        let middle = y + ROW / 2.0;
        let end = zero + x * per_unit;
        sheet.text(&Type::LABEL.fit(label, left - 10.0), (left - 8.0, middle), Type::LABEL.right())?;
        sheet.rect((zero.min(end), y + 4.0), (zero.max(end).max(zero + 1.0), y + ROW - 4.0), DATA, 1.0)?;
        sheet.text(&write(*x), (zero.max(end) + 6.0, middle), Type::LABEL)?;
    }
    let bottom = top + 26.0 + drawn.len() as f64 * ROW;
    sheet.path(&[(zero, top + 26.0), (zero, bottom)], MUTED, 1.0, 1.0)?;
    more(sheet, bars.len(), (left, bottom + 10.0))
}

fn more<DB: DrawingBackend>(sheet: &Canvas<DB>, rows: usize, at: (f64, f64)) -> Result<(), DrawError> {
    if rows <= MOST_ROWS {
        return Ok(());
    }
    sheet.text(
        &format!("and {} more in the table", numbers::count((rows - MOST_ROWS) as i64)),
        at,
        Type::SMALL,
    )
}

fn forest_rows(rows: &[Estimate]) -> Vec<&Estimate> {
    rows.iter().filter(|r| r.value.is_finite() && r.low.is_finite() && r.high.is_finite()).collect()
}

fn paint_forest<DB: DrawingBackend>(
    sheet: &Canvas<DB>,
    top: f64,
    rows: &[&Estimate],
    reference: Option<f64>,
    chart: &Chart,
    look: Look,
) -> Result<(), DrawError> {
    let drawn = &rows[..rows.len().min(MOST_ROWS)];
    let largest = drawn.iter().map(|r| r.high).chain(reference).fold(f64::MIN, f64::max);
    let smallest = drawn.iter().map(|r| r.low).chain(reference).fold(0.0, f64::min);
    let reads = Reads::of(&chart.axes.0, largest);
    let write = reads.values(drawn.iter().flat_map(|r| [r.value, r.low, r.high]));
    let interval = |r: &Estimate| format!("{} ({} to {})", write(r.value), write(r.low), write(r.high));
    let n = |r: &Estimate| numbers::count(r.n as i64);
    let n_width = drawn.iter().map(|r| Type::LABEL.width(&n(r))).fold(16.0, f64::max);
    let interval_width = if look.is_narrow() {
        0.0
    } else {
        drawn
            .iter()
            .map(|r| Type::LABEL.width(&interval(r)))
            .fold(Type::SMALL.width("rate (95\u{a0}% interval)"), f64::max)
            + 14.0
    };
    let left = label_column(
        drawn.iter().map(|r| r.label.as_str()),
        sheet.width * if look.is_narrow() { 0.36 } else { 0.28 },
    ) + 10.0;
    let right = sheet.width - n_width - interval_width - 24.0;
    let most = if look.is_narrow() { 3 } else { 5 };
    let axis = Axis::linear((smallest, largest), (left + 6.0, right), most, false);
    let (first, last) = (top + 28.0, top + 28.0 + drawn.len() as f64 * ROW);

    for &tick in &axis.ticks {
        sheet.path(&[(axis.at(tick), first), (axis.at(tick), last)], GRID, 1.0, 1.0)?;
    }
    ticks_below(sheet, &axis, reads, last)?;
    sheet.text(
        &Type::SMALL.fit(&chart.axes.0, sheet.width - left),
        (left + 6.0, last + 38.0),
        Type::SMALL,
    )?;
    sheet.text("n", (sheet.width - 2.0, top + 14.0), Type::SMALL.right())?;
    if !look.is_narrow() {
        let at = (sheet.width - n_width - 16.0, top + 14.0);
        sheet.text("estimate (95\u{a0}% interval)", at, Type::SMALL.right())?;
    }
    if let Some(value) = reference {
        let x = axis.at(value);
        let mut y = first - 4.0;
        while y < last {
            sheet.path(&[(x, y), (x, (y + 4.0).min(last))], ACCENT, 1.0, 1.5)?;
            y += 7.0;
        }
        let words = format!("all together {}", write(value));
        let half = Type::SMALL.width(&words) / 2.0;
        let centre = x.clamp(left + half, (right - half).max(left + half));
        sheet.text(&words, (centre, top + 14.0), Type { ink: ACCENT, ..Type::SMALL.centred() })?;
    }
    for (i, row) in drawn.iter().enumerate() {
        let y = first + (i as f64 + 0.5) * ROW;
        sheet.text(&Type::LABEL.fit(&row.label, left - 10.0), (left - 6.0, y), Type::LABEL.right())?;
        let (low, high) = (axis.at(row.low), axis.at(row.high));
        sheet.path(&[(low, y), (high, y)], DATA, 1.0, 2.0)?;
        for end in [low, high] {
            sheet.path(&[(end, y - 4.0), (end, y + 4.0)], DATA, 1.0, 1.0)?;
        }
        sheet.disc((axis.at(row.value), y), 4.5, DATA, 1.0)?;
        sheet.text(&n(row), (sheet.width - 2.0, y), Type::LABEL.right())?;
        if !look.is_narrow() {
            sheet.text(&interval(row), (sheet.width - n_width - 16.0, y), Type::LABEL.right())?;
        }
    }
    more(sheet, rows.len(), (left + 6.0, last + 56.0))
}

/// Tick labels under a horizontal axis; one that would touch its neighbour is left out.
fn ticks_below<DB: DrawingBackend>(
    sheet: &Canvas<DB>,
    axis: &Axis,
    reads: Reads,
    y: f64,
) -> Result<(), DrawError> {
    let mut free_from = f64::MIN;
    for &tick in &axis.ticks {
        let words = reads.tick(tick);
        let half = Type::SMALL.width(&words) / 2.0;
        let x = axis.at(tick);
        sheet.path(&[(x, y), (x, y + 4.0)], MUTED, 1.0, 1.0)?;
        let centre = x.clamp(half + 1.0, sheet.width - half - 1.0);
        if centre - half > free_from {
            sheet.text(&words, (centre, y + 14.0), Type::SMALL.centred())?;
            free_from = centre + half + 8.0;
        }
    }
    Ok(())
}

fn drawable((x, y): (f64, f64), log_x: bool, log_y: bool) -> bool {
    x.is_finite() && y.is_finite() && (!log_x || x > 0.0) && (!log_y || y > 0.0)
}

/// Both axes of a plane, drawn above a margin `below` of one's own; returns them.
fn plane<DB: DrawingBackend>(
    sheet: &Canvas<DB>,
    top: f64,
    points: &[(f64, f64)],
    (log_x, log_y): (bool, bool),
    below: f64,
    chart: &Chart,
) -> Result<(Axis, Axis), DrawError> {
    let bounds = |pick: fn(&(f64, f64)) -> f64| {
        points.iter().map(pick).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    };
    let whole = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).all(|v| v.fract() == 0.0);
    let make = |log: bool, (low, high): (f64, f64), at: (f64, f64), most: u32, whole: bool| {
        if log {
            Axis::log((low, high), at, most as usize)
        } else {
            Axis::linear((if low > 0.0 { 0.0 } else { low }, high), at, most, whole)
        }
    };
    let (x_bounds, y_bounds) = (bounds(|p| p.0), bounds(|p| p.1));
    let (x_reads, y_reads) = (Reads::of(&chart.axes.0, x_bounds.1), Reads::of(&chart.axes.1, y_bounds.1));
    let (ceiling, floor) = (top + 32.0, sheet.height - 42.0 - below);
    let y = make(log_y, y_bounds, (floor, ceiling), 5, whole(|p| p.1));
    let left = y.ticks.iter().map(|&t| Type::SMALL.width(&y_reads.tick(t))).fold(0.0, f64::max) + 8.0;
    let x = make(
        log_x,
        x_bounds,
        (left + 8.0, sheet.width - 10.0),
        (sheet.width / 110.0).max(4.0) as u32,
        whole(|p| p.0),
    );

    sheet.text(&Type::SMALL.fit(&chart.axes.1, sheet.width), (0.0, top + 10.0), Type::SMALL)?;
    for &tick in &y.ticks {
        let at = y.at(tick);
        sheet.path(&[(left, at), (sheet.width - 2.0, at)], GRID, 1.0, 1.0)?;
        sheet.text(&y_reads.tick(tick), (left - 6.0, at), Type::SMALL.right())?;
    }
    sheet.path(&[(left, floor), (sheet.width - 2.0, floor)], MUTED, 1.0, 1.0)?;
    ticks_below(sheet, &x, x_reads, floor)?;
    let words = Type::SMALL.fit(&chart.axes.0, sheet.width - left);
    sheet.text(&words, (sheet.width - 2.0, floor + 33.0), Type::SMALL.right())?;
    Ok((x, y))
}

fn paint_scatter<DB: DrawingBackend>(
    sheet: &Canvas<DB>,
    top: f64,
    points: &[(f64, f64)],
    (log_x, log_y): (bool, bool),
    chart: &Chart,
) -> Result<(), DrawError> {
    let drawn: Vec<_> = points.iter().copied().filter(|&p| drawable(p, log_x, log_y)).collect();
    let (x, y) = plane(sheet, top, &drawn, (log_x, log_y), 17.0, chart)?;
    let mut cells: BTreeMap<(i64, i64), (f64, f64, u32)> = BTreeMap::new();
    for &(px, py) in &drawn {
        let at = (x.at(px), y.at(py));
        let cell = cells.entry(((at.0 / CELL) as i64, (at.1 / CELL) as i64)).or_insert((at.0, at.1, 0));
        cell.2 += 1;
    }
    let mut dots: Vec<_> = cells.into_values().collect();
    dots.sort_by_key(|d| std::cmp::Reverse(d.2));
    let (smallest, opacity) = if dots.len() < 150 { (4.5, 0.75) } else { (3.0, 0.55) };
    for (px, py, n) in &dots {
        sheet.disc((*px, *py), smallest + f64::from(*n).log2().min(7.0), DATA, opacity)?;
    }
    let mut remarks = Vec::new();
    if dots.iter().any(|d| d.2 > 1) {
        remarks.push("larger dots: several in one place".to_owned());
    }
    if drawn.len() < points.len() {
        remarks.push(format!(
            "{} without a place on a logarithmic axis",
            numbers::count((points.len() - drawn.len()) as i64)
        ));
    }
    let words = Type::SMALL.fit(&remarks.join(" · "), sheet.width);
    sheet.text(&words, (sheet.width - 2.0, sheet.height - 9.0), Type::SMALL.right())
}

fn paint_ccdf<DB: DrawingBackend>(
    sheet: &Canvas<DB>,
    top: f64,
    steps: &[(f64, f64)],
    chart: &Chart,
) -> Result<(), DrawError> {
    let drawn: Vec<_> = steps.iter().copied().filter(|&p| drawable(p, true, true)).collect();
    let (x, y) = plane(sheet, top, &drawn, (true, true), 0.0, chart)?;
    let mut path: Vec<(f64, f64)> = Vec::with_capacity(drawn.len() * 2);
    for &(value, share) in &drawn {
        let at = (x.at(value), y.at(share));
        if let Some(&(before, _)) = path.last() {
            path.push((before, at.1));
        }
        path.push(at);
    }
    sheet.path(&path, DATA, 1.0, 2.0)?;
    for &(value, share) in drawn.iter().filter(|_| drawn.len() <= 60) {
        sheet.disc((x.at(value), y.at(share)), 3.5, DATA, 1.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(marks: Marks) -> Chart {
        Chart {
            name: "a",
            title: "A title".into(),
            caption: "A caption".into(),
            axes: ("share of people".into(), "share of cascades".into()),
            marks,
        }
    }

    fn every_shape(label: &str) -> Vec<Chart> {
        let estimate = Estimate { label: label.into(), value: 0.3, low: 0.1, high: 0.6, n: 12 };
        [
            Marks::Bars { bars: vec![(label.into(), 3.0), ("b".into(), f64::NAN)] },
            Marks::Forest { rows: vec![estimate], reference: Some(0.2) },
            Marks::Scatter { points: vec![(1.0, 0.0), (10.0, 2.0), (10.0, 2.0)], log_x: true, log_y: true },
            Marks::Ccdf { steps: vec![(1.0, 1.0), (4.0, 0.25)] },
            Marks::Network { nodes: vec![(label.into(), 0.5, 0.5, 1.0, true)], edges: vec![(0, 0), (0, 9)] },
        ]
        .map(chart)
        .into()
    }

    #[test]
    fn every_shape_draws_at_every_width_and_the_same_twice() {
        for chart in every_shape("Ada") {
            for look in [Look::FILE, Look::WIDE, Look::NARROW] {
                let text = svg(&chart, look).expect("a figure");
                assert_eq!(text, svg(&chart, look).expect("a figure"));
                assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"));
            }
        }
    }

    #[test]
    fn a_hostile_label_stays_text() {
        for chart in every_shape("<script>alert('x')</script>\u{202E}\u{0}") {
            let text = svg(&chart, Look::WIDE).expect("a figure");
            assert!(!text.contains("<script") && !text.contains('\u{202E}') && !text.contains('\u{0}'));
        }
    }

    #[test]
    fn empty_marks_say_that_there_is_nothing_to_draw() {
        for marks in [
            Marks::Bars { bars: vec![] },
            Marks::Forest { rows: vec![], reference: None },
            Marks::Scatter { points: vec![(0.0, 1.0)], log_x: true, log_y: false },
            Marks::Ccdf { steps: vec![] },
            Marks::Network { nodes: vec![], edges: vec![] },
        ] {
            assert!(svg(&chart(marks), Look::WIDE).expect("a figure").contains("nothing to draw"));
        }
    }

    #[test]
    fn figures_hold_only_the_colours_of_the_palette() {
        let known: Vec<String> =
            canvas::PALETTE.iter().map(|c| format!("#{:02X}{:02X}{:02X}", c.0, c.1, c.2)).collect();
        for chart in every_shape("Ada") {
            let text = svg(&chart, Look::FILE).expect("a figure");
            for (i, _) in text.match_indices("=\"#") {
                assert!(
                    known.iter().any(|k| k == &text[i + 2..i + 9]),
                    "{} is no house colour",
                    &text[i + 2..i + 9]
                );
            }
        }
    }
}
