//! What an unquoted word of YAML means: as kubectl reads it, so that one manifest means one thing.
//!
//! kubectl's YAML library keeps the words of YAML 1.1 for booleans (`yes`, `on`, `y` are true) and for octal numbers
//! (`0755`), and so do we. A `value: yes` is therefore a boolean where a text belongs: a fault in kubectl, and here,
//! with the advice to quote it.

/// What an unquoted word is taken for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    /// Nothing, `~`, `null`: as if the field were not there.
    Null,
    /// `true`, `yes`, `on` and their like.
    Flag(bool),
    /// A whole number that fits.
    Whole(i64),
    /// Any other number.
    Fraction,
    /// Everything else, and all that stands in quotes.
    Text,
}

/// Reads an unquoted word.
pub(super) fn read(word: &str) -> Reading {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Reading::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Reading::Flag(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Reading::Flag(false);
        }
        _ => {}
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Reading::Text;
    }
    let plain = word.replace('_', "");
    match whole(&plain) {
        Some(number) => i64::try_from(number).map_or(Reading::Fraction, Reading::Whole),
        None if is_fraction(&plain) => Reading::Fraction,
        None => Reading::Text,
    }
}

/// Decimal, or with the prefixes `0x`, `0o`, `0b` and plain `0` (octal).
fn whole(word: &str) -> Option<i128> {
    let (sign, digits) = match word.as_bytes().first()? {
        b'-' => (-1, &word[1..]),
        b'+' => (1, &word[1..]),
        _ => (1, word),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // `from_str_radix` takes a sign of its own.
    let starts_with_digit = digits.starts_with(|c: char| c.is_digit(radix));
    let number = starts_with_digit.then(|| i128::from_str_radix(digits, radix).ok())??;
    Some(sign * number)
}

fn is_fraction(word: &str) -> bool {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(word, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (digits, power) = match unsigned.split_once(['e', 'E']) {
        Some((digits, power)) => (
            digits,
            Some(power.strip_prefix(['-', '+']).unwrap_or(power)),
        ),
        None => (unsigned, None),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    is_number(whole)
        && is_number(part)
        && !(whole.is_empty() && part.is_empty())
        && power.is_none_or(|power| !power.is_empty() && is_number(power))
}

#[cfg(test)]
mod tests {
    use super::Reading::*;
    use super::*;

    #[test]
    fn words_mean_what_they_mean_to_kubectl() {
        for (word, expected) in [
            ("", Null),
            ("~", Null),
            ("null", Null),
            ("nULL", Text),
            ("yes", Flag(true)),
            ("On", Flag(true)),
            ("y", Flag(true)),
            ("off", Flag(false)),
            ("tRUE", Text),
            ("8080", Whole(8080)),
            ("-1", Whole(-1)),
            ("+7", Whole(7)),
            ("0755", Whole(493)),
            ("0o755", Whole(493)),
            ("0x1F", Whole(31)),
            ("0b101", Whole(5)),
            ("1_000", Whole(1000)),
            ("0", Whole(0)),
            ("9223372036854775807", Whole(i64::MAX)),
            ("9223372036854775808", Fraction),
            ("1.5", Fraction),
            (".5", Fraction),
            ("1e3", Fraction),
            ("1.e-3", Fraction),
            ("1e", Text),
            ("1e+", Text),
            ("1e5.5", Text),
            ("-.inf", Fraction),
            (".nan", Fraction),
            ("0888", Fraction),
            ("1:20", Text),
            ("1.2.3", Text),
            ("2001-01-01", Text),
            ("-", Text),
            (".", Text),
            ("--5", Text),
            ("0x-1", Text),
            ("+-5", Text),
            ("10Mi", Text),
            ("inf", Text),
        ] {
            assert_eq!(read(word), expected, "{word:?}");
        }
    }
}
