//! References among braces: YAML reads the braces of `{ records: ${N} }` as a mapping's. The parser is shown parentheses
//! in their place, byte for byte, and what it read gets its braces back.

use std::borrow::Cow;

/// The text with `$(…)` for every reference that can stand without quotes.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let mut hidden = Cow::Borrowed(text);
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find("${")) {
        let open = from + found + 1;
        from = open + 1;
        let rest = text.get(from..).unwrap_or_default();
        let Some(length) = rest.find(['}', '{', '\n']).filter(|at| rest[*at..].starts_with('}')) else { continue };
        let body = &rest[..length];
        let special = |char: char| "()[],\"'".contains(char) || char.is_control();
        if body.is_empty()
            || body.contains(special)
            || body.contains(": ")
            || body.contains(" #")
            || body.ends_with(':')
        {
            continue;
        }
        let text = hidden.to_mut();
        text.replace_range(open..=open, "(");
        text.replace_range(from + length..=from + length, ")");
    }
    hidden
}

/// What a scalar says, as it stood in the file: `hidden` is how the parser saw it, `written` how it is written.
pub(super) fn show<'t>(scalar: Cow<'t, str>, hidden: &str, written: &str) -> Cow<'t, str> {
    if hidden == written {
        return scalar;
    }
    let mut shown = String::with_capacity(scalar.len());
    let mut rest = scalar.as_ref();
    // Escapes and folding change what is between them, not their number and order.
    for (at, _) in hidden.match_indices("$(") {
        let Some(found) = rest.find("$(") else { break };
        let (before, after) = rest.split_at(found + 1);
        shown.push_str(before);
        rest = after;
        if written.get(at + 1..).is_some_and(|text| text.starts_with('{'))
            && let Some((body, after)) = rest[1..].split_once(')')
        {
            shown.push('{');
            shown.push_str(body);
            shown.push('}');
            rest = after;
        }
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_hidden_and_shown_again() {
        for (text, hidden) in [
            ("{ records: ${N} }", "{ records: $(N) }"),
            ("[${A}, out/${B:-x y}.jsonl]", "[$(A), out/$(B:-x y).jsonl]"),
            ("{ a: ${secret:KEY}, b: $${C} }", "{ a: $(secret:KEY), b: $$(C) }"),
            ("{ a: ${N:-1, 2} }", "{ a: ${N:-1, 2} }"),
            ("{ a: ${N:-a: b}, b: ${N:-x #y} }", "{ a: ${N:-a: b}, b: ${N:-x #y} }"),
            ("${a\n}", "${a\n}"),
            ("${", "${"),
            ("${a${b}", "${a$(b)"),
            ("$(date) ${é}", "$(date) $(é)"),
        ] {
            let seen = hide(text);
            assert_eq!(seen, hidden);
            assert_eq!(seen.len(), text.len());
            assert_eq!(show(seen.clone(), &seen, text), text);
        }
        let written = "\"\\t$(x) ${A}, $(y) ${B}\"";
        assert_eq!(show("\t$(x) $(A), $(y) $(B)".into(), &hide(written), written), "\t$(x) ${A}, $(y) ${B}");
    }
}
