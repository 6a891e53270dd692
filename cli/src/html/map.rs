//! A map: a drawing in which each path has an area in proportion to what it costs.

use std::fmt::Write;

use super::escape::text;
use super::layout::{Rect, squarify};
use super::tree::{Measure, Node};
use crate::size::{commas, show};

const WHOLE: Rect = Rect { x: 0.0, y: 0.0, width: 640.0, height: 420.0 };
/// The height of a folder's name.
const TITLE_HEIGHT: f64 = 15.0;
/// The smallest sides of a folder whose contents are drawn.
const OPEN: (f64, f64) = (44.0, 36.0);
/// The smallest sides of a rectangle that has its name in it.
const NAMED: (f64, f64) = (34.0, 14.0);
/// Rectangles with a smaller area than this are not drawn. They are in the table.
const SEEN: f64 = 3.0;
/// The number of colours. A layer keeps its colour in both maps.
const COLOURS: usize = 8;

/// Draws the map of a node's children. `id` is unique in the page.
pub(super) fn map(node: &Node, measure: Measure, id: &str) -> String {
    let total = node.bytes(measure);
    let mut cells = String::new();
    draw(node, measure, WHOLE, &mut Pen { path: String::new(), colour: None, out: &mut cells });
    format!(
        "<figure>\n<figcaption id=\"{id}\"><b>{}</b>: {} ({} bytes)</figcaption>\n\
         <svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}\">\n\
         <desc>A map in which areas stand for bytes. The table below has the same numbers.</desc>\n{cells}</svg>\n\
         </figure>\n",
        measure.name(),
        show(total),
        commas(total),
        WHOLE.width,
        WHOLE.height,
    )
}

/// The state of drawing.
struct Pen<'o> {
    /// The path of the node that is drawn.
    path: String,
    colour: Option<usize>,
    out: &'o mut String,
}

fn draw(node: &Node, measure: Measure, rect: Rect, pen: &mut Pen<'_>) {
    let mut children: Vec<(usize, &Node)> = node.children.iter().enumerate().collect();
    children.sort_by_key(|(_, child)| std::cmp::Reverse(child.bytes(measure)));
    let numbers: Vec<u64> = children.iter().map(|(_, child)| child.bytes(measure)).collect();
    for ((number, child), rect) in children.into_iter().zip(squarify(&numbers, rect)) {
        if rect.width * rect.height < SEEN {
            continue;
        }
        let above = pen.path.len();
        if above > 0 {
            pen.path.push('/');
        }
        pen.path.push_str(&child.name);
        let has_colour = pen.colour.is_some();
        let colour = *pen.colour.get_or_insert(number % COLOURS);
        let is_open = !child.children.is_empty() && rect.width >= OPEN.0 && rect.height >= OPEN.1;
        cell(child, measure, (rect, colour, is_open), pen);
        if is_open {
            draw(child, measure, rect.inner(2.0, TITLE_HEIGHT), pen);
        }
        pen.path.truncate(above);
        if !has_colour {
            pen.colour = None;
        }
    }
}

fn cell(node: &Node, measure: Measure, (rect, colour, is_open): (Rect, usize, bool), pen: &mut Pen<'_>) {
    let Rect { x, y, width, height } = rect;
    let bytes = node.bytes(measure);
    let class = if is_open { "f" } else { "" };
    let label = if width >= NAMED.0 && height >= NAMED.1 {
        format!("<text x=\"4\" y=\"11\">{} {}</text>", text(&node.name), show(bytes))
    } else {
        String::new()
    };
    // The inner drawing cuts names that are too long. Writing into a string does not fail.
    let _ = writeln!(
        pen.out,
        "<svg x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"c{colour} {class}\">\
         <title>{}: {} bytes</title><rect width=\"100%\" height=\"100%\"/>{label}</svg>",
        text(&pen.path),
        commas(bytes),
    );
}
