//! A chart of what updates cost with each tool: the bytes that are fetched against the time that applying them takes.

use std::fmt::Write as _;

/// What a tool takes for an update.
pub(crate) struct Point {
    /// The name of the tool.
    pub(crate) name: String,
    /// The number of bytes that are fetched.
    pub(crate) bytes: u64,
    /// The time that applying them takes.
    pub(crate) seconds: f64,
    /// Whether it is regrow.
    pub(crate) is_own: bool,
}

/// The tools on one pair of images.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) points: Vec<Point>,
}

/// The size of a panel, and of the margins around its plot, in pixels.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
/// The number of panels in a row.
const IN_ROW: usize = 2;
/// The least distance between two labels.
const LINE: f64 = 14.0;
/// Colours that people tell apart however they see colours (Okabe and Ito).
const OWN: &str = "#0072b2";
const OTHERS: &str = "#d55e00";

/// Draws the panels as an SVG image. Both axes are logarithmic.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let (columns, rows) = (panels.len().clamp(1, IN_ROW), panels.len().div_ceil(IN_ROW));
    let (width, height) = (WIDTH * columns as f64, HEIGHT * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (number, panel) in panels.iter().enumerate() {
        let (x, y) = ((number % IN_ROW) as f64 * WIDTH, (number / IN_ROW) as f64 * HEIGHT);
        let _ = writeln!(svg, "<g transform=\"translate({x},{y})\">");
        draw(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

/// A logarithmic axis from one power of ten to another.
struct Axis {
    first: i32,
    last: i32,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::MAX, f64::min).max(1e-3);
        let most = values.fold(1e-3, f64::max);
        let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        Self { first, last: last.max(first + 1), from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.max(1e-3).log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        self.from + share * (self.to - self.from)
    }

    fn marks(&self) -> impl Iterator<Item = f64> + use<> {
        (self.first..=self.last).map(|power| 10f64.powi(power))
    }
}

fn draw(svg: &mut String, Panel { title, points }: &Panel) {
    let x = Axis::over(points.iter().map(|point| point.seconds), LEFT, WIDTH - RIGHT);
    let y = Axis::over(points.iter().map(|point| point.bytes as f64), HEIGHT - BOTTOM, TOP);
    text(svg, (WIDTH / 2.0, 18.0), "middle", "font-weight=\"bold\" font-size=\"13\"", title);
    text(svg, (WIDTH / 2.0, HEIGHT - 10.0), "middle", "", "seconds to rebuild the new image");
    text(svg, (LEFT - 6.0, TOP - 14.0), "end", "", "fetched");
    for mark in x.marks() {
        line(svg, (x.place(mark), TOP), (x.place(mark), HEIGHT - BOTTOM));
        text(svg, (x.place(mark), HEIGHT - BOTTOM + 15.0), "middle", "", &format!("{mark}"));
    }
    for mark in y.marks() {
        line(svg, (LEFT, y.place(mark)), (WIDTH - RIGHT, y.place(mark)));
        text(svg, (LEFT - 6.0, y.place(mark) + 4.0), "end", "", &bytes(mark));
    }
    let mut order: Vec<&Point> = points.iter().collect();
    order.sort_by_key(|point| point.bytes);
    let mut above = f64::MAX;
    for point in order {
        let colour = if point.is_own { OWN } else { OTHERS };
        let (at_x, at_y) = (x.place(point.seconds), y.place(point.bytes as f64));
        let _ = writeln!(svg, "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"4.5\" fill=\"{colour}\"/>");
        // From the bottom up, so that no label covers another.
        let label_y = (at_y + 4.0).min(above - LINE);
        above = label_y;
        let is_right = at_x > (LEFT + WIDTH) / 2.0;
        let (label_x, anchor) = if is_right { (at_x - 9.0, "end") } else { (at_x + 9.0, "start") };
        text(svg, (label_x, label_y), anchor, &format!("fill=\"{colour}\""), &point.name);
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{text}</text>");
}

/// A number of bytes that is a power of ten.
fn bytes(number: f64) -> String {
    match number {
        ..1e3 => format!("{number} B"),
        ..1e6 => format!("{} KB", number / 1e3),
        ..1e9 => format!("{} MB", number / 1e6),
        _ => format!("{} GB", number / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, bytes: u64, seconds: f64) -> Point {
        Point { name: name.into(), bytes, seconds, is_own: name == "regrow" }
    }

    #[test]
    fn each_tool_has_a_point_and_a_name_within_its_panel() {
        let points = vec![point("regrow", 200_000, 0.6), point("a & b", 9_191_528, 0.85), point("c", 9_191_529, 0.84)];
        let svg = svg(&[Panel { title: "pair".into(), points }]);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains(">a &amp; b</text>") && svg.contains(OWN), "{svg}");
        let heights = svg.lines().filter(|line| line.contains("fill=\"#")).filter_map(|line| {
            let y = line.split_once(" y=\"")?.1;
            y.split_once('"')?.0.parse::<f64>().ok()
        });
        let heights: Vec<f64> = heights.collect();
        assert_eq!(heights.len(), 3);
        assert!(heights.windows(2).all(|two| two[0] - two[1] >= LINE - 0.1), "{heights:?}");
        assert!(heights.iter().all(|&y| (0.0..HEIGHT).contains(&y)), "{heights:?}");
    }

    #[test]
    fn one_value_has_an_axis_too() {
        let axis = Axis::over(std::iter::once(1.0), 0.0, 100.0);
        assert!((0.0..=100.0).contains(&axis.place(1.0)));
        assert_eq!(bytes(1e5), "100 KB");
    }
}
