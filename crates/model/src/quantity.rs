//! Sizes and durations as people write them: `1MiB`, `10s`.

use std::time::Duration;

/// Reads a size in bytes: digits with an optional `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB`, `GB`.
///
/// # Errors
/// What to write instead.
pub fn bytes(text: &str) -> Result<u64, &'static str> {
    const HELP: &str = "write a size such as `512KiB`, `1MiB` or a plain number of bytes";
    let (number, unit) = split(text).ok_or(HELP)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(HELP),
    };
    number.checked_mul(factor).ok_or("write a size below 16 EiB")
}

/// Reads a duration: digits with one of `ms`, `s`, `m`, `min`, `h`, `d`, `day`, `days`.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    const HELP: &str = "write a duration such as `500ms`, `10s`, `5m`, `1h` or `30d`";
    let (number, unit) = split(text).ok_or(HELP)?;
    let factor_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return Err(HELP),
    };
    let ms = number.checked_mul(factor_ms).filter(|ms| *ms <= 100 * 366 * 86_400_000);
    ms.map(Duration::from_millis).ok_or("write a duration of at most a hundred years")
}

/// Reads a count with an optional `k` (thousand) or `M` (million).
#[must_use]
pub fn count(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    match unit {
        "" => Some(number),
        "k" => number.checked_mul(1_000),
        "M" => number.checked_mul(1_000_000),
        _ => None,
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        assert_eq!(bytes("1MiB"), Ok(1 << 20));
        assert_eq!(bytes("17"), Ok(17));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(count("1M"), Some(1_000_000));
        for wrong in ["", "MiB", "-1", "1.5MiB", "1 potato", "99999999999999999999"] {
            assert!(bytes(wrong).is_err() && duration(wrong).is_err(), "{wrong}");
        }
    }
}
