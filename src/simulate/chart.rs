//! A line chart as SVG; colours are classes of the page, so that they follow its dark and light mode.

use std::fmt::Write;

use super::text::clock;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// Lines of the grid, at least.
const GRID: f64 = 4.0;

/// One line.
pub(super) struct Line {
    pub(super) class: String,
    /// One value for each interval; a gap where there is none.
    pub(super) values: Vec<Option<f64>>,
}

/// A chart over the load's time.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    /// What is shown, for those who cannot see it.
    pub(super) description: String,
    pub(super) lines: Vec<Line>,
    /// A value that is not to be exceeded.
    pub(super) bound: Option<f64>,
    /// Whether values hold for the whole interval.
    pub(super) is_stepped: bool,
    pub(super) interval: f64,
    pub(super) seconds: f64,
    pub(super) unit: fn(f64) -> String,
    /// What is told of each interval when it is pointed at.
    pub(super) hints: Vec<String>,
}

/// The chart as an `svg` element.
pub(super) fn svg(chart: &Chart) -> String {
    let top = scale(highest(chart));
    let x = |seconds: f64| LEFT + (WIDTH - LEFT - RIGHT) * seconds / chart.seconds;
    let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top.end;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}: {}\">\n",
        escape(chart.title),
        escape(&chart.description)
    );
    let mut value = 0.0;
    while value <= top.end * 1.001 {
        let at = y(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"axis\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            (chart.unit)(value)
        );
        value += top.step;
    }
    for part in 0..=4 {
        let seconds = chart.seconds * f64::from(part) / 4.0;
        let anchor = ["start", "middle", "middle", "middle", "end"][part as usize];
        let _ = writeln!(
            svg,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x(seconds),
            HEIGHT - 8.0,
            clock(seconds)
        );
    }
    if let Some(bound) = chart.bound {
        let at = y(bound);
        let _ = writeln!(
            svg,
            "<line class=\"bound\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            WIDTH - RIGHT
        );
    }
    for line in &chart.lines {
        let path = path(chart, line, &x, &y);
        let _ = writeln!(svg, "<path class=\"line {}\" d=\"{path}\"/>", line.class);
    }
    for (index, hint) in chart.hints.iter().enumerate() {
        let (from, to) = span(chart, index);
        let _ = writeln!(
            svg,
            "<rect class=\"hint\" x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"><title>{}</title></rect>",
            x(from),
            x(to) - x(from),
            HEIGHT - TOP - BOTTOM,
            escape(hint)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn span(chart: &Chart, index: usize) -> (f64, f64) {
    let from = chart.interval * index as f64;
    (from, (from + chart.interval).min(chart.seconds))
}

/// A point in the middle of each interval, or a step over its whole length.
fn path(chart: &Chart, line: &Line, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for (index, value) in line.values.iter().enumerate() {
        let Some(value) = value else {
            is_drawing = false;
            continue;
        };
        let (from, to) = span(chart, index);
        let command = if is_drawing { 'L' } else { 'M' };
        let _ = if chart.is_stepped {
            write!(
                path,
                "{command}{:.1} {:.1}H{:.1}",
                x(from),
                y(*value),
                x(to)
            )
        } else {
            let middle = f64::midpoint(from, to);
            write!(path, "{command}{:.1} {:.1}", x(middle), y(*value))
        };
        is_drawing = true;
    }
    path
}

fn highest(chart: &Chart) -> f64 {
    let values = chart
        .lines
        .iter()
        .flat_map(|line| line.values.iter().flatten());
    values.copied().chain(chart.bound).fold(0.0, f64::max)
}

/// The end of an axis, and the steps of its grid.
struct Axis {
    end: f64,
    step: f64,
}

/// Steps of 1, 2 or 5 times a power of ten.
fn scale(highest: f64) -> Axis {
    if highest <= 0.0 {
        return Axis {
            end: 1.0,
            step: 1.0,
        };
    }
    let rough = highest / GRID;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    Axis {
        end: (highest / step).ceil() * step,
        step,
    }
}

/// Text in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_above_all_values() {
        for (highest, end, step) in [
            (0.0, 1.0, 1.0),
            (8.0, 8.0, 2.0),
            (1.3, 1.5, 0.5),
            (120.0, 150.0, 50.0),
        ] {
            let axis = scale(highest);
            assert!(
                (axis.end - end).abs() < 1e-9 && (axis.step - step).abs() < 1e-9,
                "{highest}: {} by {}",
                axis.end,
                axis.step
            );
        }
    }
}
