//! The table that is printed: each figure beside its bar, with its spread over the rounds.

use std::fmt;
use std::time::{Duration, Instant};

/// What a figure is held to.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
    None,
}

impl Bar {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bar) => figure >= bar,
            Self::AtMost(bar) => figure <= bar,
            Self::Below(bar) => figure < bar,
            Self::None => true,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bar) => write!(f, ">= {bar}"),
            Self::AtMost(bar) => write!(f, "<= {bar}"),
            Self::Below(bar) => write!(f, "< {bar}"),
            Self::None => f.write_str("-"),
        }
    }
}

/// The same figure, taken in each round.
#[derive(Default, Clone)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn median(&self) -> f64 {
        quantile(&self.0, 0.5)
    }

    /// The same figures in another unit.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|figure| figure * factor).collect())
    }

    /// Round by round, these over those.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }
}

impl FromIterator<f64> for Figures {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        Self(figures.into_iter().collect())
    }
}

/// The value that this share of all values does not exceed.
pub(crate) fn quantile<T: Copy + PartialOrd>(values: &[T], share: f64) -> T {
    let mut values = values.to_vec();
    values.sort_by(|one, other| one.partial_cmp(other).unwrap());
    let last = f64::from(u32::try_from(values.len() - 1).unwrap());
    #[allow(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let index = (last * share).round() as usize;
    values[index]
}

/// All rows, printed as they come.
pub(crate) struct Table {
    started: Instant,
    missed: Vec<String>,
}

impl Table {
    pub(crate) fn start() -> Self {
        println!("| what | figure | lowest to highest | bar | met | from |");
        println!("| --- | --- | --- | --- | --- | --- |");
        Self { started: Instant::now(), missed: Vec::new() }
    }

    /// Prints a row: the median of the figures beside its bar, and what it was made from.
    pub(crate) fn row(&mut self, what: &str, figures: &Figures, bar: Bar, from: &str) {
        let median = figures.median();
        let met = match (bar, bar.is_met(median)) {
            (Bar::None, _) => "",
            (_, true) => "yes",
            (_, false) => "**no**",
        };
        if met == "**no**" {
            self.missed.push(what.to_owned());
        }
        let (lowest, highest) = (quantile(&figures.0, 0.0), quantile(&figures.0, 1.0));
        let spread = format!("{} to {}", shown(lowest), shown(highest));
        println!("| {what} | {} | {spread} | {bar} | {met} | {from} |", shown(median));
    }

    pub(crate) fn finish(self) {
        let seconds = self.started.elapsed().as_secs();
        match &self.missed[..] {
            [] => println!("\nAll bars are met. This took {seconds} s."),
            missed => println!("\nMissed: {}. This took {seconds} s.", missed.join("; ")),
        }
    }
}

/// A figure with three digits that count.
pub(crate) fn shown(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        1.0.. => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
