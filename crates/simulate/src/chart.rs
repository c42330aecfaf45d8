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
    let frame = Frame {
        chart,
        axis: scale(highest(chart)),
    };
    let lines: String = chart.lines.iter().map(|line| frame.line(line)).collect();
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}: {}\">\n{}{}{}{lines}{}</svg>\n",
        escape(chart.title),
        escape(&chart.description),
        frame.grid(),
        frame.times(),
        frame.bound(),
        frame.hints()
    )
}

/// Where values and times lie.
struct Frame<'a> {
    chart: &'a Chart<'a>,
    axis: Axis,
}

impl Frame<'_> {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.chart.seconds
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.axis.end
    }

    /// A line from the left to the right.
    fn across(&self, class: &str, value: f64) -> String {
        let (right, y) = (WIDTH - RIGHT, self.y(value));
        format!(
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n"
        )
    }

    fn grid(&self) -> String {
        let count = (self.axis.end / self.axis.step).round() as u32;
        let values = (0..=count).map(|step| self.axis.step * f64::from(step));
        let written = |value| {
            format!(
                "{}<text class=\"axis\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                self.across("grid", value),
                LEFT - 8.0,
                self.y(value) + 4.0,
                (self.chart.unit)(value)
            )
        };
        values.map(written).collect()
    }

    /// The begin, the quarters and the end.
    fn times(&self) -> String {
        let anchors = ["start", "middle", "middle", "middle", "end"];
        let written = |(quarter, anchor): (u32, &str)| {
            let seconds = self.chart.seconds * f64::from(quarter) / 4.0;
            format!(
                "<text class=\"axis\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>\n",
                self.x(seconds),
                HEIGHT - 8.0,
                clock(seconds)
            )
        };
        (0..).zip(anchors).map(written).collect()
    }

    fn bound(&self) -> String {
        let bound = self.chart.bound;
        bound.map_or_else(String::new, |bound| self.across("bound", bound))
    }

    /// A point in the middle of each interval, or a step over its whole length.
    fn line(&self, line: &Line) -> String {
        let mut path = String::new();
        let mut is_drawing = false;
        for (index, value) in line.values.iter().enumerate() {
            let Some(value) = value else {
                is_drawing = false;
                continue;
            };
            let (from, to) = self.span(index);
            let command = if is_drawing { 'L' } else { 'M' };
            let (x, y) = (self.x(from), self.y(*value));
            let _ = if self.chart.is_stepped {
                write!(path, "{command}{x:.1} {y:.1}H{:.1}", self.x(to))
            } else {
                write!(
                    path,
                    "{command}{:.1} {y:.1}",
                    self.x(f64::midpoint(from, to))
                )
            };
            is_drawing = true;
        }
        format!("<path class=\"line {}\" d=\"{path}\"/>\n", line.class)
    }

    /// Places to point at.
    fn hints(&self) -> String {
        let written = |(index, hint): (usize, &String)| {
            let (from, to) = self.span(index);
            format!(
                "<rect class=\"hover\" x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"><title>{}</title></rect>\n",
                self.x(from),
                self.x(to) - self.x(from),
                HEIGHT - TOP - BOTTOM,
                escape(hint)
            )
        };
        self.chart.hints.iter().enumerate().map(written).collect()
    }

    /// Begin and end of an interval, of which the last may be shorter.
    fn span(&self, index: usize) -> (f64, f64) {
        let from = self.chart.interval * index as f64;
        (from, (from + self.chart.interval).min(self.chart.seconds))
    }
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
