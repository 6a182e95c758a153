//! The type of a plain scalar: YAML 1.2's core schema (<https://yaml.org/spec/1.2.2/#103-core-schema>), in which `no`,
//! `on` and `0777` are not what YAML 1.1 made of them.

use super::Kind;

/// What an unquoted text means.
pub(crate) fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Kind::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Kind::Float(f64::NEG_INFINITY),
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Kind::Str(text.to_owned()))
}

fn integer(text: &str) -> Option<Kind> {
    let radix = |digits: &str, radix: u32| {
        digits.chars().all(|digit| digit.is_digit(radix)).then(|| i128::from_str_radix(digits, radix).ok()).flatten()
    };
    let value = if let Some(digits) = text.strip_prefix("0x") {
        radix(digits, 16)?
    } else if let Some(digits) = text.strip_prefix("0o") {
        radix(digits, 8)?
    } else {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let value = radix(digits, 10)?;
        if text.starts_with('-') { -value } else { value }
    };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(Kind::Int(value))
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn float(text: &str) -> Option<Kind> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) =
        unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    (mantissa && exponent).then(|| text.parse().ok()).flatten().map(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::{Kind, plain};

    #[test]
    fn types_as_yaml_1_2() {
        let string = |text: &str| plain(text) == Kind::Str(text.to_owned());
        for text in ["no", "on", "yes", "1_000", "12:30:00", "0x", "-", "+", ".", "1e", "e5", "-0x1", "NaN", "60s"] {
            assert!(string(text), "{text}");
        }
        assert!(plain("~") == Kind::Null && plain("") == Kind::Null);
        assert!(plain("true") == Kind::Bool(true));
        assert!(plain("0xB") == Kind::Int(11) && plain("0o17") == Kind::Int(15) && plain("0777") == Kind::Int(777));
        assert!(plain("-9223372036854775808") == Kind::Int(i128::from(i64::MIN)));
        assert!(plain("18446744073709551615") == Kind::Int(i128::from(u64::MAX)));
        assert!(matches!(plain("18446744073709551616"), Kind::Float(_)));
        assert!(plain("1.") == Kind::Float(1.0) && plain(".5") == Kind::Float(0.5) && plain("1e3") == Kind::Float(1e3));
    }
}
