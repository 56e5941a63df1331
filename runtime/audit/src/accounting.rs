//! Whether the bill is right.
//!
//! *Consistency*: what is billed is what was used, as far as the sample tells. *Minimality*: what was used is not more than the
//! reference uses for the same packets. (ALIBI, sections 2 and 3, has both for a whole machine.)

use std::collections::BTreeMap;

use trisect_rack::Totals;
use trisect_sample::{Record, Used};

use crate::bill::{Bill, Item, Price, Resource};
use crate::report::{Check, Outcome, Part};
use crate::stats::total;

/// By which part amounts of money may differ by rounding.
const ROUNDING: f64 = 1e-6;

/// What the sampled packets used, as the records say.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// By identity: packets that went in, and what visits used.
    uses: Vec<(u64, u64, Used)>,
    /// Whether records say what was used.
    logged: bool,
}

impl Uses {
    pub fn went_in(&mut self, id: u64) {
        self.uses.push((id, 1, Used::default()));
    }

    pub fn visit(&mut self, id: u64, used: Used) {
        self.logged = true;
        self.uses.push((id, 0, used));
    }

    /// By identity: packets that went in, and how much of the resource they used.
    fn groups(&self, resource: Resource) -> Vec<(u64, f64)> {
        let by_id = self.uses.chunk_by(|a, b| a.0 == b.0);
        let groups = by_id.map(|group| {
            let packets = group.iter().map(|(_, n, _)| n).sum();
            let used: f64 = group
                .iter()
                .map(|(_, _, used)| resource.of(used) as f64)
                .sum();
            (packets, used)
        });
        // What never went in is found elsewhere, and has no packets to be divided by.
        groups.filter(|(packets, _)| *packets > 0).collect()
    }

    /// Holds a bill against what was used.
    pub fn consistency(
        &mut self,
        bill: &Bill,
        prices: &[Price],
        totals: &Totals,
        rate: f64,
    ) -> Vec<Check> {
        self.uses.sort_unstable_by_key(|(id, _, _)| *id);
        let mut checks = vec![arithmetic(bill, prices)];
        for price in prices {
            let Some(item) = bill.items.iter().find(|i| i.resource == price.resource) else {
                continue;
            };
            checks.push(match price.resource.counted(totals) {
                Some(counted) => against_count(item, price, counted),
                None => self.against_sample(item, price, totals.packets_in, rate),
            });
        }
        checks
    }

    fn against_sample(&self, item: &Item, price: &Price, packets: u64, rate: f64) -> Check {
        let mut check = Check::new(Part::Accounting, "consistency", item.resource.name());
        if !self.logged {
            check.outcome = Outcome::Undecided;
            check.note = "the records do not say what was used".into();
            return check;
        }
        let groups = self.groups(item.resource);
        check.examined = groups.len() as u64;
        let found = total(&groups, packets, price.most, rate);
        let limit = found.at_most * (1.0 + price.slack);
        check.note = format!(
            "billed {}, the sample says {:.0}, and at most {:.0}",
            item.quantity, found.total, found.at_most
        );
        let billed = item.quantity as f64;
        if billed > limit {
            check.violated(|| format!("{:.0} more than the sample explains", billed - limit));
        } else if found.at_most > 2.0 * found.total {
            check.outcome = Outcome::Undecided;
            check.note += ", which says little";
        }
        if found.total > 0.0 && limit.is_finite() {
            let part = limit / found.total - 1.0;
            check.power = format!("{:.1} % too much would have been noticed", part * 100.0);
        }
        check.done()
    }
}

fn against_count(item: &Item, price: &Price, counted: u64) -> Check {
    let mut check = Check::new(Part::Accounting, "consistency", item.resource.name());
    check.examined = 1;
    check.note = format!("billed {}, the shim counted {counted}", item.quantity);
    check.power = format!(
        "{:.1} % too much would have been noticed",
        price.slack * 100.0
    );
    let limit = counted as f64 * (1.0 + price.slack);
    if item.quantity as f64 > limit {
        check.violated(|| format!("{} more than were counted", item.quantity - counted));
    }
    check
}

/// Whether the bill's amounts are what its quantities cost, and its total is their sum.
fn arithmetic(bill: &Bill, prices: &[Price]) -> Check {
    let mut check = Check::new(Part::Accounting, "bill", "");
    check.examined = bill.items.len() as u64 + 1;
    let differs = |is: f64, should: f64| {
        let far = (is - should).abs() > ROUNDING * should.abs().max(1.0);
        far || is.is_nan()
    };
    for item in &bill.items {
        let name = item.resource.name();
        let price = prices.iter().find(|p| p.resource == item.resource);
        let should = price.map(|p| p.amount(item.quantity));
        match should {
            None => check.violated(|| format!("{name} are not to be paid for")),
            Some(should) if differs(item.amount, should) => check.violated(|| {
                format!(
                    "{} {name} cost {}, should cost {should}",
                    item.quantity, item.amount
                )
            }),
            Some(_) => {}
        }
        if bill
            .items
            .iter()
            .filter(|i| i.resource == item.resource)
            .count()
            > 1
        {
            check.violated(|| format!("{name} are billed twice"));
        }
    }
    let sum: f64 = bill.items.iter().map(|i| i.amount).sum();
    if differs(bill.total, sum) {
        check.violated(|| format!("the total is {}, the items are {sum}", bill.total));
    }
    check.power = "everything on the bill is looked at".into();
    check
}

/// What sampled visits used, next to what the reference uses for them.
#[derive(Debug, Default)]
pub(crate) struct Minimality {
    by_element: BTreeMap<String, BTreeMap<Resource, (Check, u64, u64)>>,
}

impl Minimality {
    pub fn visit(&mut self, arrival: &Record, is: &Used, should: &Used, prices: &[Price]) {
        if !self.by_element.contains_key(&arrival.element) {
            let element = arrival.element.clone();
            self.by_element.insert(element, BTreeMap::new());
        }
        let Some(by_resource) = self.by_element.get_mut(&arrival.element) else {
            return;
        };
        for resource in [Resource::Cycles, Resource::Memory] {
            let (is, should) = (resource.of(is), resource.of(should));
            let (check, all_is, all_should) = by_resource.entry(resource).or_insert_with(|| {
                let of = format!("{} {}", arrival.element, resource.name());
                (Check::new(Part::Accounting, "minimality", &of), 0, 0)
            });
            check.examined += 1;
            *all_is = all_is.saturating_add(is);
            *all_should = all_should.saturating_add(should);
            let price = prices.iter().find(|p| p.resource == resource);
            let slack = price.map_or(0.0, |p| p.slack);
            if is as f64 > should as f64 * (1.0 + slack) {
                check.violated(|| {
                    format!(
                        "{} visit {}: {is} {}, the reference uses {should}",
                        arrival.element,
                        arrival.visit,
                        resource.name()
                    )
                });
            }
        }
    }

    pub fn done(self, rate: f64) -> Vec<Check> {
        let by_element = self.by_element.into_values();
        let checks = by_element.flat_map(BTreeMap::into_values);
        let checks = checks.filter(|(check, is, should)| {
            check.outcome == Outcome::Failed || *is > 0 || *should > 0
        });
        checks
            .map(|(mut check, is, should)| {
                check.note = format!("{is} used, the reference uses {should}");
                check.sampled_at(rate);
                check.done()
            })
            .collect()
    }
}
