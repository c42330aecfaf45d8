//! A line chart: lines as SVG that is stretched to the page's width, and texts as HTML over it, so that they keep their
//! size on a narrow screen. Colours are classes of the page, which follow its dark and light mode.

use std::fmt::Write;

use super::text::clock;

/// Width and height of the plot in its own units, whatever it is stretched to.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 100.0;
/// Lines of the grid, at least.
const GRID: f64 = 4.0;
/// Marks on the axis of time, at most.
const MARKS: f64 = 6.0;
/// Lengths between two marks, in seconds: what a clock has round.
const STEPS: [f64; 19] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0,
];

/// One line.
pub(super) struct Line {
    /// Which of the variants it is; `None` where it belongs to all.
    pub(super) variant: Option<usize>,
    pub(super) class: String,
    /// One value for each interval; a gap where there is none.
    pub(super) values: Vec<Option<f64>>,
}

/// What a chart counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Rate,
    Pods,
    Latency,
    Percent,
}

/// A chart over the load's time.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) unit: Unit,
    /// Lines in the order of drawing: the last one is on top.
    pub(super) lines: Vec<Line>,
    /// A value that is not to be exceeded, and what it is called.
    pub(super) bound: Option<(f64, String)>,
    /// Whether values hold for the whole interval.
    pub(super) is_stepped: bool,
    pub(super) interval: f64,
    pub(super) seconds: f64,
}

/// The chart as a `figure` element; `number` is its place in the page.
pub(super) fn figure(chart: &Chart, number: usize) -> String {
    let axis = scale(highest(chart), chart.unit);
    let frame = Frame { chart, axis };
    let lines: String = chart.lines.iter().map(|line| frame.line(line)).collect();
    let title = escape(chart.title);
    // Where lines lie close together.
    let tall = match chart.unit {
        Unit::Latency => " class=\"tall\"",
        _ => "",
    };
    let (grid, values) = frame.grid();
    let (bound, name) = frame.bound();
    format!(
        "<figure data-chart=\"{number}\"{tall}>\n<figcaption><h2>{title}</h2></figcaption>\n<div class=\"axis\">{}</div>\n\
         <div class=\"frame\"><div class=\"ys\">{values}</div>\
         <div class=\"plot\" tabindex=\"0\" role=\"img\" aria-label=\"{title}; every value is in the tables below\">\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\n{grid}{bound}{lines}</svg>\
         {name}<div class=\"cursor\" hidden></div></div><div class=\"xs\">{}</div></div>\n\
         <div class=\"axis time\">time since the start, {}</div>\n<div class=\"tip\" hidden></div>\n</figure>\n",
        escape(frame.axis.title),
        frame.times(),
        if chart.seconds >= 3_600.0 {
            "h:min:s"
        } else {
            "min:s"
        }
    )
}

/// Where values and times lie.
struct Frame<'a> {
    chart: &'a Chart<'a>,
    axis: Axis,
}

impl Frame<'_> {
    fn x(&self, seconds: f64) -> f64 {
        WIDTH * seconds / self.chart.seconds
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - HEIGHT * value / self.axis.end
    }

    /// A line from the left to the right.
    fn across(&self, class: &str, value: f64) -> String {
        let y = self.y(value);
        format!("<path class=\"{class}\" d=\"M0 {y:.2}H{WIDTH}\"/>\n")
    }

    /// Its lines, and the values beside them.
    fn grid(&self) -> (String, String) {
        let count = (self.axis.end / self.axis.step).round() as u32;
        let (mut lines, mut values) = (String::new(), String::new());
        for value in (0..=count).map(|step| self.axis.step * f64::from(step)) {
            lines.push_str(&self.across("grid", value));
            let (top, text) = (self.y(value), self.axis.written(value));
            let _ = write!(values, "<span style=\"top:{top:.2}%\">{text}</span>");
        }
        (lines, values)
    }

    /// Round times; those that a narrow screen has no room for have a class of their own.
    fn times(&self) -> String {
        let seconds = self.chart.seconds;
        let fits = |step: &&f64| seconds / **step <= MARKS;
        let step = STEPS.iter().find(fits).copied().unwrap_or(seconds / MARKS);
        let count = (seconds / step + 1e-9).floor() as u32;
        let written = |mark: u32| {
            let at = step * f64::from(mark);
            let class = if mark % 2 == 1 { " class=\"wide\"" } else { "" };
            let left = 100.0 * at / seconds;
            format!(
                "<span{class} style=\"left:{left:.2}%\">{}</span>",
                clock(at)
            )
        };
        (0..=count).map(written).collect()
    }

    fn bound(&self) -> (String, String) {
        let Some((bound, name)) = &self.chart.bound else {
            return (String::new(), String::new());
        };
        let top = self.y(*bound);
        let name = format!(
            "<span class=\"name\" style=\"top:{top:.2}%\">{}</span>",
            escape(name)
        );
        (self.across("bound", *bound), name)
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
                write!(path, "{command}{x:.1} {y:.2}H{:.1}", self.x(to))
            } else {
                write!(
                    path,
                    "{command}{:.1} {y:.2}",
                    self.x(f64::midpoint(from, to))
                )
            };
            is_drawing = true;
        }
        let variant = line
            .variant
            .map_or(String::new(), |index| format!(" data-line=\"{index}\""));
        format!(
            "<path class=\"line {}\"{variant} d=\"{path}\"/>\n",
            line.class
        )
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
    let bound = chart.bound.as_ref().map(|(bound, _)| *bound);
    values.copied().chain(bound).fold(0.0, f64::max)
}

/// The end of an axis, the steps of its grid, and how its values are written.
struct Axis {
    end: f64,
    step: f64,
    title: &'static str,
    /// What a value is multiplied by before it is written.
    factor: f64,
}

impl Axis {
    /// With the digits that its step needs.
    fn written(&self, value: f64) -> String {
        let step = self.step * self.factor;
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        format!("{:.decimals$}", value * self.factor)
    }
}

/// Steps of 1, 2 or 5 times a power of ten, and none between two pods.
fn scale(highest: f64, unit: Unit) -> Axis {
    let (title, factor) = match unit {
        Unit::Rate => ("requests per second", 1.0),
        Unit::Pods => ("pods", 1.0),
        Unit::Latency if highest > 1.0 => ("seconds", 1.0),
        Unit::Latency => ("milliseconds", 1_000.0),
        Unit::Percent => ("percent of the requests", 1.0),
    };
    let axis = |end, step| Axis {
        end,
        step,
        title,
        factor,
    };
    if highest <= 0.0 {
        return axis(1.0, 1.0);
    }
    let rough = highest / GRID;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    let step = if unit == Unit::Pods {
        step.max(1.0)
    } else {
        step
    };
    axis((highest / step - 1e-9).ceil() * step, step)
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

    fn marks(highest: f64, unit: Unit) -> Vec<String> {
        let axis = scale(highest, unit);
        let count = (axis.end / axis.step).round() as u32;
        (0..=count)
            .map(|step| axis.written(axis.step * f64::from(step)))
            .collect()
    }

    #[test]
    fn an_axis_has_round_values_and_ends_above_all() {
        for (highest, unit, expected) in [
            (0.0, Unit::Rate, &["0", "1"][..]),
            (120.0, Unit::Rate, &["0", "50", "100", "150"]),
            (8.0, Unit::Pods, &["0", "2", "4", "6", "8"]),
            (2.0, Unit::Pods, &["0", "1", "2"]),
            (0.261, Unit::Latency, &["0", "100", "200", "300"]),
            (1.0, Unit::Latency, &["0", "500", "1000"]),
            (1.3, Unit::Latency, &["0.0", "0.5", "1.0", "1.5"]),
            (0.5, Unit::Percent, &["0.0", "0.2", "0.4", "0.6"]),
        ] {
            assert_eq!(marks(highest, unit), expected, "{highest}");
        }
    }

    #[test]
    fn times_are_round() {
        let times = |seconds: f64| {
            let chart = Chart {
                title: "",
                unit: Unit::Rate,
                lines: Vec::new(),
                bound: None,
                is_stepped: false,
                interval: 1.0,
                seconds,
            };
            let axis = scale(1.0, Unit::Rate);
            let html = Frame {
                chart: &chart,
                axis,
            }
            .times();
            let texts = html
                .split("</span>")
                .filter_map(|span| span.rsplit_once('>'));
            texts
                .map(|(_, text)| text.to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(times(600.0), "0:00 2:00 4:00 6:00 8:00 10:00");
        assert_eq!(times(130.0), "0:00 0:30 1:00 1:30 2:00");
        assert_eq!(
            times(86_400.0),
            "0:00 4:00:00 8:00:00 12:00:00 16:00:00 20:00:00 24:00:00"
        );
    }
}
