//! Values of options: their ranges, in words that clap prints beside the option's name.

use std::str::FromStr;

use seald::config::Size;
use seald_engine::lora::TargetModules;
use seald_engine::schedule::Schedule;

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| "not a number".to_string())
}

/// A whole number of 1 or more.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    let what = "give a whole number of 1 or more".to_string();
    text.trim().parse().ok().filter(|&n: &usize| n > 0).ok_or(what)
}

/// More threads than any machine needs: a typing error should not start them.
const MAX_THREADS: usize = 1024;

/// A number of threads, 0 for one on each core.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    let good = text.trim().parse().ok().filter(|&n: &usize| n <= MAX_THREADS);
    good.ok_or_else(|| format!("give a whole number of 0 to {MAX_THREADS}"))
}

/// A number above 0.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    in_range(text, "give a number above 0", |n| n > 0.0)
}

/// A number of 0 or more.
pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    in_range(text, "give a number of 0 or more", |n| n >= 0.0)
}

/// A probability below 1.
pub(crate) fn below_one(text: &str) -> Result<f64, String> {
    in_range(text, "give a number of 0 or more, below 1", |n| (0.0..1.0).contains(&n))
}

/// A probability above 0.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    in_range(text, "give a number above 0, at most 1", |n| n > 0.0 && n <= 1.0)
}

fn in_range(text: &str, range: &str, good: impl Fn(f64) -> bool) -> Result<f64, String> {
    let value: f64 = number(text)?;
    if value.is_finite() && good(value) { Ok(value) } else { Err(range.to_string()) }
}

/// An amount of memory in bytes: `8GiB`, `800M`, `1.5g`; units are powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    text.parse::<Size>().map(|size| size.bytes()).map_err(|e| e.to_string())
}

/// `all-linear`, names with commas between them, or `regex:` and an expression.
pub(crate) fn targets(text: &str) -> Result<TargetModules, String> {
    if text == "all-linear" {
        return Ok(TargetModules::AllLinear);
    }
    if let Some(expression) = text.strip_prefix("regex:") {
        return Ok(TargetModules::Regex(expression.to_string()));
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_string()).collect();
    match names.iter().any(String::is_empty) {
        true => Err("a name is empty: give q_proj,v_proj, or all-linear".to_string()),
        false => Ok(TargetModules::List(names)),
    }
}

/// The targets in the words of the option.
pub(crate) fn targets_text(targets: &TargetModules) -> String {
    match targets {
        TargetModules::AllLinear => "all-linear".to_string(),
        TargetModules::List(names) => names.join(","),
        TargetModules::Regex(expression) => format!("regex:{expression}"),
    }
}

/// [`Schedule`] as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ScheduleName {
    /// Stays at its peak
    Constant,
    /// Falls in a straight line to zero
    Linear,
    /// Falls along half a cosine to zero
    Cosine,
}

impl From<ScheduleName> for Schedule {
    fn from(name: ScheduleName) -> Self {
        match name {
            ScheduleName::Constant => Schedule::Constant,
            ScheduleName::Linear => Schedule::Linear,
            ScheduleName::Cosine => Schedule::Cosine,
        }
    }
}

/// The precision of the frozen weights as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Dtype {
    /// bf16 where this machine is fast at it, else f32
    Auto,
    /// Exact
    F32,
    /// Half the memory, fast with AVX512-BF16 or on a GPU
    Bf16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_kept() {
        assert_eq!([at_least_one("1"), at_least_one("7")], [Ok(1), Ok(7)]);
        assert!(at_least_one("0").is_err() && at_least_one("-1").is_err() && at_least_one("1.5").is_err());
        assert!(positive("0").is_err() && positive("nan").is_err() && positive("1e-4").is_ok());
        assert!(below_one("1").is_err() && below_one("0").is_ok() && not_negative("-1").is_err());
    }

    #[test]
    fn targets_are_read_and_shown_alike() {
        for text in ["all-linear", "q_proj,v_proj", "regex:.*mlp.*"] {
            assert_eq!(targets_text(&targets(text).unwrap()), text);
        }
        assert!(targets("q_proj,,v_proj").is_err());
    }
}
