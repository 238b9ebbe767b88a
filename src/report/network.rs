//! A small network with given positions, and names where there is room for them.

use plotters::backend::DrawingBackend;

use super::canvas::{ACCENT, Canvas, DATA, DrawError, INK, MUTED, PAPER, Type};

/// Labels a network shows.
const MOST_LABELS: usize = 24;

/// A rectangle as left, top, right, bottom.
type Frame = (f64, f64, f64, f64);

fn overlap(a: &Frame, b: &Frame) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// Draws nodes at their given places in the unit square, below `top`. Emphasised and large ones are named first; a name
/// that would touch a node or another name is left out. `O(nodes · labels + edges)` time.
pub fn paint<DB: DrawingBackend>(
    sheet: &Canvas<DB>,
    top: f64,
    nodes: &[(String, f64, f64, f64, bool)],
    edges: &[(usize, usize)],
) -> Result<(), DrawError> {
    let (margin_x, margin_y) = (sheet.width * 0.09, 26.0);
    let part = |v: f64| if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.5 };
    let at = |i: usize| {
        let (_, x, y, _, _) = &nodes[i];
        let (w, h) = (sheet.width - 2.0 * margin_x, sheet.height - top - 2.0 * margin_y);
        (margin_x + part(*x) * w, top + margin_y + part(*y) * h)
    };
    let radius = |i: usize| 4.0 + 8.0 * part(nodes[i].3).sqrt();
    for &(a, b) in edges.iter().filter(|(a, b)| *a < nodes.len() && *b < nodes.len()) {
        sheet.path(&[at(a), at(b)], MUTED, 0.45, 1.0)?;
    }
    // Emphasised and large nodes lie on top and are named first.
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by(|&a, &b| {
        nodes[b].4.cmp(&nodes[a].4).then(nodes[b].3.total_cmp(&nodes[a].3)).then(a.cmp(&b))
    });
    for &i in order.iter().rev() {
        sheet.disc(at(i), radius(i), if nodes[i].4 { ACCENT } else { DATA }, 1.0)?;
    }
    let mut taken: Vec<Frame> = (0..nodes.len())
        .map(|i| (at(i).0 - radius(i), at(i).1 - radius(i), at(i).0 + radius(i), at(i).1 + radius(i)))
        .collect();
    let mut named = 0;
    for &i in &order {
        if named == MOST_LABELS {
            break;
        }
        let (x, y) = at(i);
        let set = Type { size: 11.5, ink: INK, bold: nodes[i].4, ..Type::LABEL };
        let words = set.fit(&nodes[i].0, sheet.width * 0.3);
        let (w, gap) = (set.width(&words), radius(i) + 4.0);
        let spots = [
            (x, y - gap - 5.0, set.centred()),
            (x, y + gap + 6.0, set.centred()),
            (x + gap, y, set),
            (x - gap, y, set.right()),
        ];
        for (place, (tx, ty, set)) in spots.into_iter().enumerate() {
            let from = match place {
                0 | 1 => tx - w / 2.0,
                2 => tx,
                _ => tx - w,
            };
            let frame = (from - 1.0, ty - 7.0, from + w + 1.0, ty + 7.0);
            let inside =
                frame.0 >= 0.0 && frame.2 <= sheet.width && frame.1 >= top && frame.3 <= sheet.height;
            if inside && !taken.iter().any(|t| overlap(t, &frame)) {
                sheet.rect((frame.0, frame.1), (frame.2, frame.3), PAPER, 0.7)?;
                sheet.text(&words, (tx, ty), set)?;
                taken.push(frame);
                named += 1;
                break;
            }
        }
    }
    Ok(())
}
