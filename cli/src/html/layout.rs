//! The layout of a map: rectangles whose areas are in proportion to numbers, as square as possible (Bruls, Huizing
//! and van Wijk, "Squarified Treemaps", 2000).

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    /// The rectangle without a margin at each side, and without a stripe at the top.
    pub(super) fn inner(self, margin: f64, top: f64) -> Self {
        Self {
            x: self.x + margin,
            y: self.y + top,
            width: (self.width - 2.0 * margin).max(0.0),
            height: (self.height - top - margin).max(0.0),
        }
    }

    fn area(self) -> f64 {
        self.width * self.height
    }
}

/// Divides a rectangle among numbers, which come largest first. The result has a rectangle for each number.
pub(super) fn squarify(numbers: &[u64], rect: Rect) -> Vec<Rect> {
    let total: u128 = numbers.iter().map(|&number| u128::from(number)).sum();
    let scale = if total == 0 { 0.0 } else { rect.area() / total as f64 };
    let areas: Vec<f64> = numbers.iter().map(|&number| number as f64 * scale).collect();
    let (mut placed, mut left, mut rest) = (Vec::with_capacity(areas.len()), rect, areas.as_slice());
    while !rest.is_empty() {
        let (row, later) = rest.split_at(row(rest, left.width.min(left.height)));
        left = place(row, left, &mut placed);
        rest = later;
    }
    placed
}

/// The number of areas that make the best row along a side of this length.
fn row(areas: &[f64], side: f64) -> usize {
    let (mut sum, mut best) = (0.0, f64::INFINITY);
    for (count, area) in areas.iter().enumerate() {
        sum += area;
        // The first is the largest, and the last is the smallest of the row.
        let worst = (side * side * areas[0] / (sum * sum)).max(sum * sum / (side * side * area));
        if count > 0 && (worst.is_nan() || worst > best) {
            return count;
        }
        best = worst;
    }
    areas.len()
}

/// Places a row along the shorter side, and returns what is left of the rectangle.
fn place(row: &[f64], left: Rect, placed: &mut Vec<Rect>) -> Rect {
    let sum: f64 = row.iter().sum();
    let is_column = left.width >= left.height;
    let side = if is_column { left.height } else { left.width };
    let depth = if side > 0.0 { (sum / side).min(if is_column { left.width } else { left.height }) } else { 0.0 };
    let mut at = 0.0;
    for area in row {
        let len = if sum > 0.0 { area / sum * side } else { 0.0 };
        placed.push(if is_column {
            Rect { x: left.x, y: left.y + at, width: depth, height: len }
        } else {
            Rect { x: left.x + at, y: left.y, width: len, height: depth }
        });
        at += len;
    }
    if is_column {
        Rect { x: left.x + depth, width: left.width - depth, ..left }
    } else {
        Rect { y: left.y + depth, height: left.height - depth, ..left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Rect = Rect { x: 3.0, y: 5.0, width: 600.0, height: 400.0 };

    #[track_caller]
    fn check(numbers: &[u64]) -> Vec<Rect> {
        let placed = squarify(numbers, WHOLE);
        assert_eq!(placed.len(), numbers.len());
        let total: u64 = numbers.iter().sum();
        for (rect, &number) in placed.iter().zip(numbers) {
            let wanted = WHOLE.area() * number as f64 / total.max(1) as f64;
            assert!((rect.area() - wanted).abs() < 1e-6 * WHOLE.area(), "{rect:?} {number}");
            assert!(rect.x >= WHOLE.x - 1e-6 && rect.x + rect.width <= WHOLE.x + WHOLE.width + 1e-6, "{rect:?}");
            assert!(rect.y >= WHOLE.y - 1e-6 && rect.y + rect.height <= WHOLE.y + WHOLE.height + 1e-6, "{rect:?}");
        }
        for (number, one) in placed.iter().enumerate() {
            for other in &placed[..number] {
                let width = (one.x + one.width).min(other.x + other.width) - one.x.max(other.x);
                let height = (one.y + one.height).min(other.y + other.height) - one.y.max(other.y);
                assert!(width < 1e-6 || height < 1e-6, "{one:?} overlaps {other:?}");
            }
        }
        placed
    }

    #[test]
    fn areas_are_in_proportion_and_do_not_overlap() {
        check(&[]);
        check(&[1]);
        check(&[6, 6, 4, 3, 2, 2, 1]);
        check(&[u64::MAX / 2, 1000, 1, 0, 0]);
        check(&[0, 0]);
        let mut many: Vec<u64> = (1..300).map(|n| n * 7919 % 1009).collect();
        many.sort_unstable_by(|a, b| b.cmp(a));
        check(&many);
    }

    #[test]
    fn rectangles_are_nearly_square() {
        let worst = |rect: &Rect| (rect.width / rect.height).max(rect.height / rect.width);
        let placed = check(&[100; 24]);
        assert!(placed.iter().all(|rect| worst(rect) < 2.0), "{placed:?}");
    }

    #[test]
    fn nothing_fits_into_nothing() {
        let none = Rect { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };
        assert!(squarify(&[3, 2], none).iter().all(|rect| rect.area() == 0.0));
        assert_eq!(WHOLE.inner(400.0, 500.0).area(), 0.0);
    }
}
