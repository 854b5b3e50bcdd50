//! The name that somebody most likely meant. Used for flags and for the fields of a manifest.
//!
//! It only ever makes a guess for a message; nobody acts on it.

/// The known name that this one most likely stands for: one that begins with it, or is at most two slips away (one, if
/// the name is so short that two slips would make anything of it). Upper and lower case are no slip.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    nearest_of(name, &known.into_iter().collect::<Vec<_>>())
}

fn nearest_of<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    // Longer than any name there is: not worth the time.
    if name.len() > 64 {
        return None;
    }
    let slips = if name.len() < 4 { 1 } else { 2 };
    let name = name.to_ascii_lowercase();
    let mut all = known.iter().copied();
    let begins = all.find(|known| name.len() > 2 && known.to_ascii_lowercase().starts_with(&name));
    let near = || {
        let slipped = known
            .iter()
            .map(|known| (distance(&name, &known.to_ascii_lowercase()), *known));
        slipped
            .filter(|(slipped, _)| *slipped <= slips)
            .min_by_key(|(slipped, _)| *slipped)
            .map(|(_, known)| known)
    };
    begins.or_else(near)
}

/// Levenshtein's distance: letters to put in, take out or replace.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_nonsense_is_not() {
        let known = ["command", "env", "envFrom", "livenessProbe", "tty"];
        for (typed, meant) in [
            ("comand", Some("command")),
            ("Command", Some("command")),
            ("livenessprobe", Some("livenessProbe")),
            ("liveness", Some("livenessProbe")),
            ("envfrom", Some("envFrom")),
            ("evn", None),
            ("ttyy", Some("tty")),
            ("", None),
            ("entrypoint", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), meant, "{typed}");
        }
    }
}
