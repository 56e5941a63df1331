//! A picture of a plan: devices as lanes, NFs as boxes in them, traffic between them as lines whose
//! width is their load. Tooltips (`title` elements) list the nodes and what travels.
//!
//! A box is one NF instance's part on one device, so that a cut NF is two boxes. Boxes stand in columns
//! by their depth in the control graph; external ports stand left and right.

use crate::analysis::Graph;
use crate::explain::NodePlan;
use crate::plan::Plan;
use crate::site::Site;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use trisect_ir::{NodeId, NodeKind};

const BOX_WIDTH: f64 = 132.0;
const BOX_HEIGHT: f64 = 34.0;
const COLUMN: f64 = 176.0;
const ROW: f64 = 46.0;
const LEFT: f64 = 150.0;
const TOP: f64 = 54.0;

/// What the compiler put in between NFs.
const GLUE: &str = "edges and classes";

/// A part of an NF on a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    site: Site,
    nf: String,
    /// Which visit of the device: behind a server the switch begins anew.
    visit: usize,
}

struct Boxed<'a> {
    nodes: Vec<&'a NodePlan>,
    column: usize,
    row: usize,
}

/// The picture as an SVG document. The same plan gives the same text.
pub fn picture(plan: &Plan) -> String {
    let graph = Graph::new(&plan.uncut);
    let parts = parts(plan, &graph);
    let mut boxes = boxes(plan, &graph, &parts);
    let lanes = lanes(plan, &mut boxes);
    let columns = boxes.values().map(|b| b.column).max().unwrap_or(0) + 1;
    let width = LEFT + columns as f64 * COLUMN + 40.0;
    let height = lanes.iter().map(|l| l.1 + l.2).fold(TOP, f64::max) + 20.0;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="sans-serif" font-size="12">"##
    );
    let _ = writeln!(
        out,
        r##"<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="16">{}: strategy {}, {:.0} host cycles per packet, bottleneck {}</text>"##,
        escape(&plan.name),
        plan.strategy,
        plan.cost.cycles,
        escape(&plan.prediction.bottleneck)
    );
    for (site, y, high) in &lanes {
        lane(&mut out, plan, *site, *y, *high, width);
    }
    for edge in traffic(plan, &graph, &parts) {
        line(&mut out, plan, &boxes, &lanes, &edge);
    }
    for (part, boxed) in &boxes {
        draw(&mut out, part, boxed, &lanes);
    }
    out.push_str("</svg>\n");
    out
}

/// The part of every node that has a site.
fn parts(plan: &Plan, graph: &Graph) -> BTreeMap<NodeId, Part> {
    let mut parts: BTreeMap<NodeId, Part> = BTreeMap::new();
    for &node in &graph.order {
        let kind = &plan.uncut.control.nodes[node].kind;
        if matches!(kind, NodeKind::Emit | NodeKind::Drop) {
            continue;
        }
        let site = plan.assignment.site(node);
        let visit = graph
            .preds(node)
            .iter()
            .filter_map(|p| parts.get(p))
            .map(|p| p.visit + usize::from(site == Site::Switch && p.site != Site::Switch))
            .max()
            .unwrap_or(0);
        let nf = &plan.uncut.control.nodes[node].nf;
        let nf = if nf.is_empty() { GLUE } else { nf };
        let nf = nf.to_owned();
        parts.insert(node, Part { site, nf, visit });
    }
    parts
}

fn boxes<'a>(
    plan: &'a Plan,
    graph: &Graph,
    parts: &BTreeMap<NodeId, Part>,
) -> BTreeMap<Part, Boxed<'a>> {
    let mut boxes: BTreeMap<Part, Boxed<'a>> = BTreeMap::new();
    for node in &plan.nodes {
        let Some(part) = parts.get(&node.node) else {
            continue;
        };
        let boxed = boxes.entry(part.clone()).or_insert_with(|| Boxed {
            nodes: Vec::new(),
            column: 0,
            row: 0,
        });
        boxed.nodes.push(node);
    }
    // The longest way from the entry, counted in changes of part.
    let mut depth: BTreeMap<NodeId, usize> = BTreeMap::new();
    for node in &graph.order {
        let Some(part) = parts.get(node) else {
            continue;
        };
        let column = graph
            .preds(*node)
            .iter()
            .filter_map(|p| Some(depth.get(p)? + usize::from(parts.get(p)? != part)))
            .max()
            .unwrap_or(0);
        depth.insert(*node, column);
        if let Some(boxed) = boxes.get_mut(part) {
            boxed.column = boxed.column.max(column);
        }
    }
    // Only columns that are used.
    let mut used: Vec<usize> = boxes.values().map(|b| b.column).collect();
    used.sort_unstable();
    used.dedup();
    for boxed in boxes.values_mut() {
        boxed.column = used.binary_search(&boxed.column).unwrap_or(0);
    }
    boxes
}

/// Lanes from top to bottom: site, y and height. Boxes get their rows.
fn lanes(plan: &Plan, boxes: &mut BTreeMap<Part, Boxed<'_>>) -> Vec<(Site, f64, f64)> {
    let mut y = TOP;
    let mut lanes = Vec::new();
    for device in &plan.devices {
        let mut filled: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, boxed) in boxes.iter_mut().filter(|(p, _)| p.site == device.site) {
            let rows = filled.entry(boxed.column).or_default();
            boxed.row = *rows;
            *rows += 1;
        }
        let rows = filled.values().copied().max().unwrap_or(0).max(1);
        let height = rows as f64 * ROW + 22.0;
        lanes.push((device.site, y, height));
        y += height + 8.0;
    }
    lanes
}

fn lane(out: &mut String, plan: &Plan, site: Site, y: f64, height: f64, width: f64) {
    let fill = match site {
        Site::Switch => "#e8f1fb",
        Site::Nic(_) => "#fdf3e1",
        Site::Host(_) => "#e9f6ea",
    };
    let Some(device) = plan.device(site) else {
        return;
    };
    let load = device.load.map_or(String::new(), |load| {
        format!("\nload {:.0} %", 100.0 * load)
    });
    // What is full first: the device itself, a link to it, its bus, or a port of the switch.
    let bottleneck = &plan.prediction.bottleneck;
    let of_device = match site {
        Site::Switch => bottleneck.starts_with("port "),
        Site::Nic(s) => plan.servers.get(usize::from(s.0)).is_some_and(|server| {
            let name = &server.name;
            *bottleneck == format!("link to {name}") || *bottleneck == format!("bus of {name}")
        }),
        Site::Host(_) => *bottleneck == device.name,
    };
    let (stroke, full) = match of_device {
        true => (
            "#c0392b",
            format!(
                "{bottleneck}: full at {:.2} times the load",
                plan.prediction.load_factor
            ),
        ),
        false => ("none", String::new()),
    };
    let _ = writeln!(
        out,
        r##"<g><title>{name} ({kind}): uses {uses}; has {budget}; {pps:.0} packets per second{load}</title><rect x="8" y="{y:.1}" width="{w:.1}" height="{height:.1}" rx="6" fill="{fill}" stroke="{stroke}" stroke-width="2"/><text x="18" y="{ty:.1}" font-weight="bold">{name}</text><text x="18" y="{ky:.1}" fill="#555555">{kind}{percent}</text><text x="{fx:.1}" y="{fy:.1}" text-anchor="end" font-size="10" fill="#c0392b">{full}</text></g>"##,
        percent = device
            .load
            .map_or(String::new(), |l| format!(", load {:.0} %", 100.0 * l)),
        full = escape(&full),
        fx = width - 16.0,
        fy = y + height - 6.0,
        name = escape(&device.name),
        kind = device.kind,
        uses = device.uses,
        budget = device.budget,
        pps = device.pps,
        w = width - 16.0,
        ty = y + 20.0,
        ky = y + 36.0,
    );
}

/// Where a box is: its left upper corner.
fn corner(part: &Part, boxed: &Boxed<'_>, lanes: &[(Site, f64, f64)]) -> (f64, f64) {
    let y = lanes.iter().find(|l| l.0 == part.site).map_or(TOP, |l| l.1);
    (
        LEFT + boxed.column as f64 * COLUMN,
        y + 14.0 + boxed.row as f64 * ROW,
    )
}

fn draw(out: &mut String, part: &Part, boxed: &Boxed<'_>, lanes: &[(Site, f64, f64)]) {
    let (x, y) = corner(part, boxed, lanes);
    let fill = if part.nf == GLUE {
        "#f7f7f7"
    } else {
        "#ffffff"
    };
    let names = reasons(&boxed.nodes);
    let count = boxed.nodes.len();
    let _ = writeln!(
        out,
        r##"<g><title>{title}</title><rect x="{x:.1}" y="{y:.1}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4" fill="{fill}" stroke="#444444"/><text x="{tx:.1}" y="{ty:.1}" text-anchor="middle">{name}</text><text x="{tx:.1}" y="{cy:.1}" text-anchor="middle" font-size="10" fill="#666666">{count} node{s}</text></g>"##,
        title = escape(&names.join("\n")),
        tx = x + BOX_WIDTH / 2.0,
        ty = y + 15.0,
        cy = y + 28.0,
        name = escape(&part.nf),
        s = if count == 1 { "" } else { "s" },
    );
}

/// What a box's tooltip says: each node, how often it runs, and why it is not elsewhere.
fn reasons(nodes: &[&NodePlan]) -> Vec<String> {
    const MOST: usize = 12;
    let mut lines = Vec::new();
    for node in nodes.iter().take(MOST) {
        lines.push(format!("{} ({:.1} %)", node.name, 100.0 * node.frequency));
        for other in &node.elsewhere {
            lines.push(format!("    not {}: {}", other.device, other.why));
            lines.push(format!("        nearest fix: {}", other.fix));
        }
    }
    if nodes.len() > MOST {
        lines.push(format!("and {} more", nodes.len() - MOST));
    }
    lines
}

/// Traffic between two parts.
struct Traffic {
    from: Part,
    to: Part,
    pps: f64,
    live: Vec<String>,
}

fn traffic(plan: &Plan, graph: &Graph, parts: &BTreeMap<NodeId, Part>) -> Vec<Traffic> {
    let frequency: BTreeMap<NodeId, f64> =
        plan.nodes.iter().map(|n| (n.node, n.frequency)).collect();
    let mut found: BTreeMap<(Part, Part), (f64, Vec<String>)> = BTreeMap::new();
    for (a, b) in graph.edges() {
        let (Some(from), Some(to)) = (parts.get(&a), parts.get(&b)) else {
            continue;
        };
        if from == to {
            continue;
        }
        let name = |n: NodeId| plan.uncut.control.nodes[n].name.as_str();
        let crossing = plan
            .crossings
            .iter()
            .find(|c| c.from == name(a) && c.to == name(b));
        // Within a device the load of an edge is not in the plan: at most what its ends see.
        let inside = || {
            let at = |n: NodeId| frequency.get(&n).copied().unwrap_or(0.0);
            plan.prediction.offered_pps * at(a).min(at(b))
        };
        let entry = found.entry((from.clone(), to.clone())).or_default();
        match crossing {
            Some(crossing) => {
                entry.0 += crossing.pps;
                entry.1.extend(crossing.live.iter().cloned());
            }
            None => entry.0 = entry.0.max(inside()),
        }
    }
    found
        .into_iter()
        .map(|((from, to), (pps, mut live))| {
            live.sort();
            live.dedup();
            Traffic {
                from,
                to,
                pps,
                live,
            }
        })
        .collect()
}

fn line(
    out: &mut String,
    plan: &Plan,
    boxes: &BTreeMap<Part, Boxed<'_>>,
    lanes: &[(Site, f64, f64)],
    edge: &Traffic,
) {
    let (Some(from), Some(to)) = (boxes.get(&edge.from), boxes.get(&edge.to)) else {
        return;
    };
    let (fx, fy) = corner(&edge.from, from, lanes);
    let (tx, ty) = corner(&edge.to, to, lanes);
    let (x1, y1) = (fx + BOX_WIDTH, fy + BOX_HEIGHT / 2.0);
    let (x2, y2) = (tx, ty + BOX_HEIGHT / 2.0);
    let bend = ((x2 - x1).abs() / 2.0).max(30.0);
    let part = edge.pps / plan.prediction.offered_pps.max(1.0);
    let width = 0.7 + 7.0 * part.clamp(0.0, 1.0);
    let cut = edge.from.site != edge.to.site;
    let color = if cut { "#c0392b" } else { "#7f8c8d" };
    let live = if edge.live.is_empty() {
        String::new()
    } else {
        format!("\nlive metadata: {}", edge.live.join(", "))
    };
    let title = format!(
        "{} to {}: {:.0} packets per second{live}",
        edge.from.nf, edge.to.nf, edge.pps
    );
    let _ = writeln!(
        out,
        r##"<path d="M{x1:.1} {y1:.1} C{c1:.1} {y1:.1} {c2:.1} {y2:.1} {x2:.1} {y2:.1}" fill="none" stroke="{color}" stroke-opacity="0.6" stroke-width="{width:.1}"><title>{title}</title></path>"##,
        c1 = x1 + bend,
        c2 = x2 - bend,
        title = escape(&title),
    );
    let (mx, my) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0 - 3.0);
    let _ = writeln!(
        out,
        r##"<text x="{mx:.1}" y="{my:.1}" text-anchor="middle" font-size="9" fill="{color}">{}</text>"##,
        rate(edge.pps)
    );
}

/// Packets per second in a few letters: `1.2M`, `35k`, `7`.
fn rate(pps: f64) -> String {
    match pps {
        p if p >= 1e6 => format!("{:.1}M", p / 1e6),
        p if p >= 1e3 => format!("{:.0}k", p / 1e3),
        p => format!("{p:.0}"),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML 1.0.
            c if c < ' ' && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_escaped() {
        assert_eq!(
            super::escape("a<b> & \"c\"\u{1}"),
            "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}"
        );
    }
}
