//! Names that are near to a misspelt one.

/// The candidate closest to `name`, if one is close enough to be meant; the first of several.
pub(crate) fn similar<'n>(
    name: &str,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    let mut best = None;
    for known in candidates {
        closer(&mut best, name, known);
    }
    best.map(|(_, known)| known)
}

/// Keeps `known` if it is closer to `name` than what was found before.
pub(crate) fn closer(best: &mut Option<(usize, String)>, name: &str, known: &str) {
    // The distance is at least the difference in length, which is cheaper to know.
    let limit = name.len().max(3) / 3;
    if name.len().abs_diff(known.len()) > limit {
        return;
    }
    let distance = edit_distance(name, known);
    if distance <= limit && best.as_ref().is_none_or(|(d, _)| distance < *d) {
        *best = Some((distance, known.to_owned()));
    }
}

/// Insertions, deletions, substitutions and exchanges of neighbours that lead from one to the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let mut least = (last[j] + usize::from(ca != cb))
                .min(row[j] + 1)
                .min(last[j + 1] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near_and_other_words_are_not() {
        assert_eq!(
            similar("ipv4_adr", ["mac", "ipv4_addr", "x"]).as_deref(),
            Some("ipv4_addr")
        );
        assert_eq!(similar("eht", ["eth", "ipv4"]).as_deref(), Some("eth"));
        assert_eq!(similar("ttl", ["ipv4", "frame"]), None);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
