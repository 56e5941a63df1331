//! Walks over directed graphs given by a successor function.

use std::collections::{BTreeMap, BTreeSet};

/// All nodes that can be reached from the entry, with the entry.
pub fn reachable<N: Copy + Ord>(entry: N, next: impl Fn(N) -> Vec<N>) -> BTreeSet<N> {
    let mut seen = BTreeSet::from([entry]);
    let mut todo = vec![entry];
    while let Some(node) = todo.pop() {
        todo.extend(next(node).into_iter().filter(|n| seen.insert(*n)));
    }
    seen
}

/// The nodes that can be reached from the entry, each before its successors. In a graph with a
/// cycle the order is of no use, but it is still given.
pub fn topological<N: Copy + Ord>(entry: N, next: impl Fn(N) -> Vec<N>) -> Vec<N> {
    let mut order = post_order([entry], next).0;
    order.reverse();
    order
}

/// A node on a cycle, if there is one among what these nodes reach.
pub fn find_cycle<N: Copy + Ord>(
    nodes: impl IntoIterator<Item = N>,
    next: impl Fn(N) -> Vec<N>,
) -> Option<N> {
    post_order(nodes, next).1
}

/// Depth-first search without recursion: the nodes, each after its successors, and a node on a
/// cycle. Successors are entered from the last to the first, so that the reverse of the order has
/// the first successor first where there is a choice.
fn post_order<N: Copy + Ord>(
    entries: impl IntoIterator<Item = N>,
    next: impl Fn(N) -> Vec<N>,
) -> (Vec<N>, Option<N>) {
    let mut order = Vec::new();
    let mut on_cycle = None;
    // Whether the node is finished; a node that is not yet is on the stack.
    let mut finished: BTreeMap<N, bool> = BTreeMap::new();
    for entry in entries {
        if finished.contains_key(&entry) {
            continue;
        }
        finished.insert(entry, false);
        let mut stack = vec![(entry, next(entry))];
        while let Some((node, todo)) = stack.last_mut() {
            let Some(successor) = todo.pop() else {
                finished.insert(*node, true);
                order.push(*node);
                stack.pop();
                continue;
            };
            match finished.get(&successor) {
                None => {
                    finished.insert(successor, false);
                    stack.push((successor, next(successor)));
                }
                Some(false) => on_cycle = on_cycle.or(Some(successor)),
                Some(true) => {}
            }
        }
    }
    (order, on_cycle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diamond(n: u32) -> Vec<u32> {
        match n {
            0 => vec![1, 2],
            1 | 2 => vec![3],
            _ => vec![],
        }
    }

    #[test]
    fn order_keeps_the_first_successor_first() {
        assert_eq!(topological(0, diamond), [0, 1, 2, 3]);
        assert_eq!(find_cycle(0..4, diamond), None);
        assert_eq!(reachable(1, diamond), BTreeSet::from([1, 3]));
    }

    #[test]
    fn cycles_are_found_also_off_the_entry() {
        let next = |n: u32| if n == 0 { vec![] } else { vec![n % 3 + 1] };
        assert!(find_cycle(0..4, next).is_some());
        assert_eq!(find_cycle([0], next), None);
        assert_eq!(find_cycle([9], |_| vec![9]), Some(9));
    }
}
