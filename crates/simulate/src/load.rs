//! The load that is replayed: pieces of straight lines, as shapes or as points of a file.

use std::ops::Range;

use miette::{Diagnostic, NamedSource, SourceSpan};

use super::random::Random;
use super::{Micros, SECOND};
use uninlu_stack::Duration;

/// Straight lines that a wave is made of.
const LINES_OF_A_WAVE: u32 = 48;
/// More than that is a slip, and would not fit into memory.
const MOST_REQUESTS: f64 = 5e7;
const EXAMPLES: &str = "write shapes such as `constant:80/10m`, `ramp:50..120/10m`, `step:50,120/5m`, `spike:50..200/10m` or `wave:20..120/24h`, joined by `+`; or name a file `….csv`";

/// Requests per second over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    pieces: Vec<Piece>,
}

/// A straight line from one rate to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    seconds: f64,
    from: f64,
    to: f64,
}

/// A load that cannot be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct InvalidLoad {
    message: Box<str>,
    #[source_code]
    source_code: NamedSource<String>,
    #[label("here")]
    span: SourceSpan,
    #[help]
    help: &'static str,
}

impl Load {
    /// Reads shapes such as `constant:50/5m+ramp:50..120/10m`.
    ///
    /// # Errors
    /// What is wrong, where, and what is right.
    pub fn parse(text: &str) -> Result<Self, InvalidLoad> {
        let refuse = |place: Range<usize>, message: String, help| InvalidLoad {
            message: message.into(),
            source_code: NamedSource::new("--load", text.to_owned()),
            span: place.into(),
            help,
        };
        let mut pieces = Vec::new();
        for place in shapes(text) {
            let shape = Shape { text, place };
            let made = shape
                .pieces()
                .map_err(|(place, message)| refuse(place, message, EXAMPLES))?;
            pieces.extend(made);
        }
        Self { pieces }
            .checked()
            .map_err(|message| refuse(0..text.len(), message, "give a shorter or a lower load"))
    }

    /// Reads points `seconds,requests_per_second`, with straight lines between them; two of the same second are a step.
    ///
    /// # Errors
    /// The line that is wrong, and what is right.
    pub fn from_csv(name: &str, text: &str) -> Result<Self, InvalidLoad> {
        let refuse = |place: Range<usize>, message: String| InvalidLoad {
            message: message.into(),
            source_code: NamedSource::new(name, text.to_owned()),
            span: place.into(),
            help: "write lines `seconds,requests_per_second`, such as `0,50` and `600,120`; the seconds never go back",
        };
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (index, line) in lines(text).enumerate() {
            let content = text[line.clone()].trim();
            let is_head = index == 0 && content.starts_with(|c: char| c.is_ascii_alphabetic());
            if content.is_empty() || content.starts_with('#') || is_head {
                continue;
            }
            let point = point(content).map_err(|message| refuse(line.clone(), message))?;
            if points.last().is_some_and(|last| point.0 < last.0) {
                return Err(refuse(line, "the seconds go back".into()));
            }
            points.push(point);
        }
        let pieces = points
            .windows(2)
            .map(|pair| Piece {
                seconds: pair[1].0 - pair[0].0,
                from: pair[0].1,
                to: pair[1].1,
            })
            .filter(|piece| piece.seconds > 0.0)
            .collect();
        Self { pieces }
            .checked()
            .map_err(|message| refuse(0..text.len(), message))
    }

    fn checked(self) -> Result<Self, String> {
        let requests: f64 = self
            .pieces
            .iter()
            .map(|piece| piece.seconds * f64::midpoint(piece.from, piece.to))
            .sum();
        if self.seconds() < 1.0 {
            return Err("the load has no length".into());
        }
        if requests < 1.0 {
            return Err("the load has no requests".into());
        }
        if requests > MOST_REQUESTS {
            return Err(format!(
                "the load has {:.0} million requests, and {:.0} million are the most",
                requests / 1e6,
                MOST_REQUESTS / 1e6
            ));
        }
        Ok(self)
    }

    /// Its length.
    pub fn seconds(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.seconds).sum()
    }

    /// The rate at the beginning.
    pub fn first_rate(&self) -> f64 {
        self.pieces.first().map_or(0.0, |piece| piece.from)
    }

    /// The highest rate.
    pub fn peak(&self) -> f64 {
        let rates = self.pieces.iter().flat_map(|piece| [piece.from, piece.to]);
        rates.fold(0.0, f64::max)
    }

    /// The lowest rate.
    pub fn lowest(&self) -> f64 {
        let rates = self.pieces.iter().flat_map(|piece| [piece.from, piece.to]);
        rates.fold(f64::INFINITY, f64::min)
    }

    /// When the rate rises for the first time, in seconds.
    pub fn rises_at(&self) -> Option<f64> {
        let mut start = 0.0;
        let mut before = self.first_rate();
        for piece in &self.pieces {
            if piece.from > before || piece.to > piece.from {
                return Some(start);
            }
            (start, before) = (start + piece.seconds, piece.to);
        }
        None
    }

    /// As independent callers arrive: a Poisson process of this rate, after `lead` at the first rate.
    pub(super) fn arrivals(&self, lead: Micros, seed: u64) -> Vec<Micros> {
        let mut random = Random::new(seed, 1);
        let lead = Piece {
            seconds: lead as f64 / SECOND as f64,
            from: self.first_rate(),
            to: self.first_rate(),
        };
        let mut arrivals = Vec::new();
        let mut start = 0.0;
        for piece in std::iter::once(&lead).chain(&self.pieces) {
            piece.arrivals(start, &mut random, &mut arrivals);
            start += piece.seconds;
        }
        arrivals
    }
}

impl Piece {
    /// By thinning: drawn at the higher rate, kept with the share that the rate of the time has of it.
    fn arrivals(&self, start: f64, random: &mut Random, arrivals: &mut Vec<Micros>) {
        let highest = self.from.max(self.to);
        if highest <= 0.0 {
            return;
        }
        let mut at = 0.0;
        loop {
            at += random.exponential() / highest;
            if at >= self.seconds {
                return;
            }
            let rate = self.from + (self.to - self.from) * at / self.seconds;
            if random.unit() * highest < rate {
                arrivals.push(((start + at) * SECOND as f64) as Micros);
            }
        }
    }
}

/// Places of the shapes: parted by `+`, or by a comma before a shape's name.
fn shapes(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut shapes = Vec::new();
    let mut start = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let opens = |next: &u8| next.is_ascii_alphabetic();
        if *byte == b'+' || *byte == b',' && bytes.get(index + 1).is_some_and(opens) {
            shapes.push(start..index);
            start = index + 1;
        }
    }
    shapes.push(start..text.len());
    shapes
}

/// One shape in the text that it stands in.
struct Shape<'a> {
    text: &'a str,
    place: Range<usize>,
}

type Wrong = (Range<usize>, String);

impl Shape<'_> {
    fn pieces(&self) -> Result<Vec<Piece>, Wrong> {
        let (name, rest) =
            self.split(self.place.clone(), ':', "a shape has a name before a colon")?;
        let (rates, length) = self.split(rest, '/', "a shape ends with a slash and its length")?;
        let seconds = self.seconds(length)?;
        let line = |share: f64, from, to| Piece {
            seconds: seconds * share,
            from,
            to,
        };
        match &self.text[name.clone()] {
            "constant" => {
                let rate = self.rate(rates)?;
                Ok(vec![line(1.0, rate, rate)])
            }
            "ramp" => {
                let (from, to) = self.two_rates(rates)?;
                Ok(vec![line(1.0, from, to)])
            }
            "step" => Ok(self
                .list(rates)?
                .into_iter()
                .map(|rate| line(1.0, rate, rate))
                .collect()),
            "spike" => {
                let (base, peak) = self.two_rates(rates)?;
                Ok(vec![
                    line(0.45, base, base),
                    line(0.1, peak, peak),
                    line(0.45, base, base),
                ])
            }
            "wave" => {
                let (low, high) = self.two_rates(rates)?;
                let at = |index: u32| {
                    let turn =
                        std::f64::consts::TAU * f64::from(index) / f64::from(LINES_OF_A_WAVE);
                    low + (high - low) * (1.0 - turn.cos()) / 2.0
                };
                let share = 1.0 / f64::from(LINES_OF_A_WAVE);
                Ok((0..LINES_OF_A_WAVE)
                    .map(|index| line(share, at(index), at(index + 1)))
                    .collect())
            }
            other => Err((name, format!("`{other}` is not a shape"))),
        }
    }

    /// The places before and behind a mark.
    fn split(
        &self,
        place: Range<usize>,
        mark: char,
        otherwise: &str,
    ) -> Result<(Range<usize>, Range<usize>), Wrong> {
        match self.text[place.clone()].find(mark) {
            Some(at) => {
                let middle = place.start + at;
                Ok((place.start..middle, middle + 1..place.end))
            }
            None => Err((place, otherwise.to_owned())),
        }
    }

    fn seconds(&self, place: Range<usize>) -> Result<f64, Wrong> {
        match Duration::parse(&self.text[place.clone()]) {
            Ok(duration) if duration.seconds > 0 => Ok(f64::from(duration.seconds)),
            Ok(_) => Err((place, "a shape of no length".into())),
            Err(refused) => Err((place, refused.message)),
        }
    }

    fn rate(&self, place: Range<usize>) -> Result<f64, Wrong> {
        let text = &self.text[place.clone()];
        rate(text).ok_or_else(|| {
            (
                place,
                format!("`{text}` is not a number of requests per second"),
            )
        })
    }

    fn two_rates(&self, place: Range<usize>) -> Result<(f64, f64), Wrong> {
        let text = &self.text[place.clone()];
        let Some(at) = text.find("..") else {
            return Err((
                place,
                "this shape goes from one rate to another: `50..120`".into(),
            ));
        };
        let middle = place.start + at;
        Ok((
            self.rate(place.start..middle)?,
            self.rate(middle + 2..place.end)?,
        ))
    }

    fn list(&self, place: Range<usize>) -> Result<Vec<f64>, Wrong> {
        let mut start = place.start;
        let mut rates = Vec::new();
        for part in self.text[place].split(',') {
            rates.push(self.rate(start..start + part.len())?);
            start += part.len() + 1;
        }
        Ok(rates)
    }
}

fn rate(text: &str) -> Option<f64> {
    let rate: f64 = text.trim().parse().ok()?;
    (rate.is_finite() && rate >= 0.0).then_some(rate)
}

/// Places of the lines, without their ends.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let place = start..start + line.trim_end().len();
        start += line.len();
        place
    })
}

fn point(line: &str) -> Result<(f64, f64), String> {
    let (seconds, requests) = line.split_once(',').ok_or("a line has two columns")?;
    let number =
        |text: &str| rate(text).ok_or_else(|| format!("`{}` is not a number", text.trim()));
    Ok((number(seconds)?, number(requests)?))
}
