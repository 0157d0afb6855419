//! From when to when a certificate holds. The verifier that we use compares these moments and does not tell them.

use std::time::Duration;

/// A certificate is renewed when about a third of its life is left; whoever has less than a quarter has a problem. Of a
/// long life three weeks are time enough.
const SOON_MAX: Duration = Duration::from_secs(21 * 24 * 3600);

/// RFC 5280 section 4.1.2.5. Unix seconds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before_s: i64,
    /// The last.
    pub not_after_s: i64,
}

/// How a certificate stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not valid yet.
    NotYet,
    /// Valid, for long enough.
    Good,
    /// Valid, and should have been renewed.
    EndsSoon,
    /// Not valid any more.
    Ended,
}

// === impl Validity ===

impl Validity {
    /// Reads it from a certificate's DER; none when these bytes are no certificate.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Option<Validity> {
        let mut bytes = certificate;
        let mut certificate = take(&mut bytes, SEQUENCE)?;
        let mut fields = take(&mut certificate, SEQUENCE)?;
        if fields.first() == Some(&VERSION) {
            take(&mut fields, VERSION)?;
        }
        take(&mut fields, INTEGER)?;
        take(&mut fields, SEQUENCE)?;
        take(&mut fields, SEQUENCE)?;
        let mut validity = take(&mut fields, SEQUENCE)?;
        Some(Validity { not_before_s: moment(&mut validity)?, not_after_s: moment(&mut validity)? })
    }

    /// How it stands at this moment.
    #[must_use]
    pub fn standing(&self, now_s: i64) -> Standing {
        let life = self.not_after_s.saturating_sub(self.not_before_s);
        let soon = (life / 4).min(i64::try_from(SOON_MAX.as_secs()).unwrap_or(i64::MAX));
        if now_s < self.not_before_s {
            Standing::NotYet
        } else if now_s > self.not_after_s {
            Standing::Ended
        } else if self.not_after_s.saturating_sub(now_s) < soon {
            Standing::EndsSoon
        } else {
            Standing::Good
        }
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Takes the value with this tag from the front, in DER.
fn take<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        // A certificate of 16 MiB and more is none.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(*length - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    (*found == tag).then_some(inside)
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from 2050 on.
fn moment(bytes: &mut &[u8]) -> Option<i64> {
    let (text, century) = match bytes.first() {
        Some(&UTC_TIME) => (take(bytes, UTC_TIME)?, None),
        _ => {
            let (century, text) = take(bytes, GENERALIZED_TIME)?.split_at_checked(2)?;
            (text, Some(number(century)?))
        }
    };
    let pairs = text.strip_suffix(b"Z")?.chunks(2).map(number).collect::<Option<Vec<_>>>()?;
    let [year, month, day, hour, minute, second] = *pairs.as_slice() else { return None };
    let century = century.unwrap_or(if year >= 50 { 19 } else { 20 });
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    let is_time = hour < 24 && minute < 60 && second < 61;
    let days = days_since_1970(century * 100 + year, month, day);
    (is_date && is_time).then_some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Two digits.
fn number(text: &[u8]) -> Option<i64> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0')),
        _ => None,
    }
}

/// Of a Gregorian date. Years are counted from March, so that a leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March on are 31, 30, 31, 30, 31 days long, twice, and then 31.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_S: i64 = 24 * 3600;

    fn made(from: &rcgen::CertificateParams) -> Vec<u8> {
        from.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn reads_what_another_library_writes() {
        for (from, to, not_before_s, not_after_s) in [
            ((1970, 1, 1), (2049, 12, 31), 0, 2_524_521_600),
            ((2000, 2, 29), (2050, 1, 1), 951_782_400, 2_524_608_000),
            ((2024, 2, 29), (2400, 3, 1), 1_709_164_800, 13_574_649_600),
            ((1999, 12, 31), (4096, 1, 1), 946_598_400, 67_090_118_400),
        ] {
            let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
            assert_eq!(Validity::of(&made(&params)), Some(Validity { not_before_s, not_after_s }), "{from:?} {to:?}");
        }
    }

    #[test]
    fn what_is_cut_or_no_certificate_has_none() {
        let whole = made(&rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap());
        assert!(Validity::of(&whole).is_some());
        for end in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..end]), None, "cut at {end}");
        }
        assert_eq!(Validity::of(b"-----BEGIN CERTIFICATE-----"), None);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..400_usize, byte: u8) {
            let _none = Validity::of(&bytes);
            let mut certificate = made(&rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap());
            if let Some(place) = certificate.get_mut(at) {
                *place = byte;
            }
            let _any = Validity::of(&certificate);
        }
    }

    #[test]
    fn it_is_told_in_time() {
        let check = |life_days: i64, now_days: i64, expect: Standing| {
            let validity = Validity { not_before_s: 0, not_after_s: life_days * DAY_S };
            assert_eq!(validity.standing(now_days * DAY_S), expect, "day {now_days} of {life_days}");
        };
        check(90, -1, Standing::NotYet);
        check(90, 0, Standing::Good);
        // Let's Encrypt's clients renew at day 60.
        check(90, 68, Standing::Good);
        check(90, 70, Standing::EndsSoon);
        check(90, 90, Standing::EndsSoon);
        check(90, 91, Standing::Ended);
        check(8, 5, Standing::Good);
        check(8, 7, Standing::EndsSoon);
        check(365 * 10, 365 * 10 - 22, Standing::Good);
        check(365 * 10, 365 * 10 - 20, Standing::EndsSoon);
    }
}
