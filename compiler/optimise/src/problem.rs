//! What is to be placed, where it can go, and what that uses.

use crate::ways::Ways;
use serde::{Deserialize, Serialize};

/// What role a site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A switch: packets come in and leave here.
    Switch,
    /// A NIC: between the switch and its server's cores.
    Nic,
    /// The cores of a server.
    Host,
}

/// A place where units can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Name, for people.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The server that it belongs to, by number; `None` for a switch.
    pub server: Option<usize>,
}

/// How a quantity counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Space: what is used does not depend on rates (table entries, memory, stages, rules).
    Space,
    /// Something per second that grows with the rates (bits of a link, packets of a port).
    Rate,
    /// Cycles per second of cores; `per_core` of them are one core.
    Work {
        /// Cycles per second of one core.
        per_core: f64,
    },
    /// Expected nanoseconds that a packet of a class takes, without queueing. Does not grow with rates. (What is
    /// promised is the longest way: [`Problem::ways`].)
    Latency,
    /// Bytes of outer headers per second. Without a capacity of their own.
    HeaderBytes,
    /// Times per second that packets leave the switch for a server. Without a capacity of their own.
    Bounces,
}

impl Kind {
    /// Whether the amount is in proportion to the rate of a class.
    pub fn grows(self) -> bool {
        !matches!(self, Self::Space | Self::Latency)
    }
}

/// Something of which there is so much and no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// Name, for people: `link to s1`.
    pub name: String,
    /// How much there is; infinite if it has no limit.
    pub capacity: f64,
    /// How it counts.
    pub kind: Kind,
    /// What is used whatever is chosen, by class.
    pub base: Vec<(usize, f64)>,
}

/// Traffic that is measured and promised as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Name, for people.
    pub name: String,
    /// Offered rate, in the unit of the user's choice. Demands are stated at this rate.
    pub offered: f64,
    /// What has to be carried at least, in the same unit.
    pub min: f64,
    /// What is carried at most.
    pub max: f64,
    /// What a unit of rate above `min` is worth to [`crate::Goal::Marginal`].
    pub weight: f64,
    /// The part of its demands that counts for the scale: 1, but where [`crate::solve`] looks at scales at which the
    /// class is beyond `max`.
    pub counted: f64,
}

impl Problem {
    /// How often its offered rate a class can have at most if it had everything for itself: what it takes in any case, and
    /// of each unit the choice that leaves the most. Infinite if nothing limits it.
    pub(crate) fn room(&self, class: usize) -> f64 {
        let room = |quantity: usize, amount: f64| {
            let quantity = &self.quantities[quantity];
            match quantity.kind.grows() && amount > 0.0 {
                true => quantity.capacity / amount,
                false => f64::INFINITY,
            }
        };
        let base = self
            .quantities
            .iter()
            .enumerate()
            .flat_map(|(q, quantity)| {
                let own = quantity.base.iter().filter(|(c, _)| *c == class);
                own.map(move |(_, amount)| (q, *amount))
            });
        let base = base.map(|(q, amount)| room(q, amount));
        let units = self.units.iter().map(|unit| {
            let choices = unit.choices.iter().map(|choice| {
                let own = choice.demands.iter().filter(|d| d.class == class);
                own.map(|d| room(d.quantity, d.amount))
                    .fold(f64::INFINITY, f64::min)
            });
            choices.fold(0.0, f64::max)
        });
        base.chain(units).fold(f64::INFINITY, f64::min)
    }
}

impl Class {
    /// The least rate as a part of what is offered; 0 if nothing is.
    pub(crate) fn least_part(&self) -> f64 {
        match self.offered > 0.0 {
            true => self.min / self.offered,
            false => 0.0,
        }
    }
    /// The factor by which its rate grows at most; infinite without a limit.
    pub(crate) fn growth(&self) -> f64 {
        match self.offered > 0.0 && self.max.is_finite() {
            true => self.max / self.offered,
            false => f64::INFINITY,
        }
    }
}

/// An amount of a quantity, at the offered rate of a class. For quantities that do not grow with rates
/// the class says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// The quantity, by position in [`Problem::quantities`].
    pub quantity: usize,
    /// The class, by position in [`Problem::classes`].
    pub class: usize,
    /// The amount.
    pub amount: f64,
}

/// A site that a unit can have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The site, by position in [`Problem::sites`]. No unit has two choices of one site.
    pub site: usize,
    /// What the unit uses there.
    pub demands: Vec<Demand>,
}

/// What is at one site, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Name, for people.
    pub name: String,
    /// Where it can be. Never empty.
    pub choices: Vec<Choice>,
}

/// Which way a border is crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From a site outside the region to one inside.
    Enter,
    /// From a site inside to one outside.
    Leave,
}

impl Way {
    /// Whether going from inside or outside to inside or outside crosses the border this way.
    pub(crate) fn crosses(self, from_inside: bool, to_inside: bool) -> bool {
        match self {
            Self::Enter => !from_inside && to_inside,
            Self::Leave => from_inside && !to_inside,
        }
    }
}

/// Sites around which there is a border that costs something to cross: NIC and host of a server, with
/// the cable to the switch; the host alone, with the bus to the NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// The sites inside, ascending.
    pub sites: Vec<usize>,
}

/// What one crossing of a border costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// The region, by position in [`Problem::regions`].
    pub region: usize,
    /// Which way.
    pub way: Way,
    /// What it uses. Amounts are not negative.
    pub demands: Vec<Demand>,
}

/// Packets that go from one unit to another. What is outside (`None`) is in no region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// From this unit, by position in [`Problem::units`].
    pub from: Option<usize>,
    /// To this one.
    pub to: Option<usize>,
    /// What crossing borders costs.
    pub crossings: Vec<Crossing>,
}

/// A variable of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Var {
    /// 1 if the unit (first) is at the site (second), else 0. If the unit cannot be there: 0.
    At(usize, usize),
    /// A variable of the rules' own, by position in [`Rules::helpers`].
    Helper(usize),
}

/// A rule: the sum of the terms is at most `most`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Variables with their factors. A variable may come more than once.
    pub terms: Vec<(Var, f64)>,
    /// The largest sum allowed.
    pub most: f64,
}

impl Row {
    /// The sum of the terms of variables that say where units are, `there` being true of those.
    pub(crate) fn of_places(&self, there: impl Fn(usize, usize) -> bool) -> f64 {
        let value = |(var, factor): &(Var, f64)| match var {
            Var::At(unit, site) if there(*unit, *site) => *factor,
            _ => 0.0,
        };
        self.terms.iter().map(value).sum()
    }
}

/// Rules beyond what is used: what must or must not be together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Variables of the rules' own, in 0..=1; whether each is 0 or 1 only.
    pub helpers: Vec<bool>,
    /// The rules.
    pub rows: Vec<Row>,
}

impl Rules {
    /// A new variable in 0..=1.
    pub fn helper(&mut self, binary: bool) -> Var {
        self.helpers.push(binary);
        Var::Helper(self.helpers.len() - 1)
    }
}

/// A problem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Where things can be.
    pub sites: Vec<Site>,
    /// What there is to use.
    pub quantities: Vec<Quantity>,
    /// What is to be placed; best in the order in which packets meet them.
    pub units: Vec<Unit>,
    /// Borders.
    pub regions: Vec<Region>,
    /// Traffic between units.
    pub edges: Vec<Edge>,
    /// Classes of traffic.
    pub classes: Vec<Class>,
    /// Ways of packets, whose latency is stated and may be limited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Ways>,
    /// Further rules.
    pub rules: Rules,
}

/// A problem that contradicts itself: an error of who made it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Malformed {
    /// Where.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    /// Checks that all positions are in range, that amounts are finite, that crossings cost nothing
    /// negative and that every unit has a choice.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), Malformed> {
        let wrong = |place: String, reason: &str| {
            Err(Malformed {
                place,
                reason: reason.to_owned(),
            })
        };
        for class in &self.classes {
            let rates = [class.offered, class.min, class.weight, class.counted];
            if rates.iter().any(|r| !r.is_finite() || *r < 0.0) || class.max.is_nan() {
                return wrong(format!("class {}", class.name), "a rate that cannot be");
            }
        }
        for quantity in &self.quantities {
            let place = || format!("quantity {}", quantity.name);
            if quantity.capacity.is_nan() || quantity.capacity < 0.0 {
                return wrong(place(), "a capacity that cannot be");
            }
            if let Kind::Work { per_core } = quantity.kind
                && !(per_core.is_finite() && per_core > 0.0)
            {
                return wrong(place(), "a core that does nothing");
            }
            let fine = |(c, a): &(usize, f64)| *c < self.classes.len() && a.is_finite();
            if !quantity.base.iter().all(fine) {
                return wrong(place(), "a base amount that cannot be");
            }
        }
        let demands = |demands: &[Demand]| {
            demands.iter().all(|d| {
                d.quantity < self.quantities.len()
                    && d.class < self.classes.len()
                    && d.amount.is_finite()
            })
        };
        for unit in &self.units {
            let place = || format!("unit {}", unit.name);
            if unit.choices.is_empty() {
                return wrong(place(), "no choice");
            }
            let mut sites: Vec<usize> = unit.choices.iter().map(|c| c.site).collect();
            sites.sort_unstable();
            sites.dedup();
            if sites.len() < unit.choices.len() || sites.iter().any(|s| *s >= self.sites.len()) {
                return wrong(place(), "two choices of one site, or a site that is none");
            }
            if !unit.choices.iter().all(|c| demands(&c.demands)) {
                return wrong(place(), "a demand that cannot be");
            }
        }
        for region in &self.regions {
            if region.sites.iter().any(|s| *s >= self.sites.len()) {
                return wrong("a region".to_owned(), "a site that is none");
            }
        }
        for (e, edge) in self.edges.iter().enumerate() {
            let place = || format!("edge {e}");
            let ends = [edge.from, edge.to];
            if ends.iter().flatten().any(|u| *u >= self.units.len()) {
                return wrong(place(), "a unit that is none");
            }
            for crossing in &edge.crossings {
                if crossing.region >= self.regions.len()
                    || !demands(&crossing.demands)
                    || crossing.demands.iter().any(|d| d.amount < 0.0)
                {
                    return wrong(place(), "a crossing that cannot be");
                }
            }
        }
        for ways in &self.ways {
            ways.validate(self)?;
        }
        for row in &self.rules.rows {
            self.validate_row(row)?;
        }
        Ok(())
    }
    /// The same for one row.
    pub(crate) fn validate_row(&self, row: &Row) -> Result<(), Malformed> {
        let known = row.terms.iter().all(|(var, factor)| {
            factor.is_finite()
                && match var {
                    Var::At(unit, site) => *unit < self.units.len() && *site < self.sites.len(),
                    Var::Helper(h) => *h < self.rules.helpers.len(),
                }
        });
        if known && row.most.is_finite() {
            return Ok(());
        }
        Err(Malformed {
            place: "a rule".to_owned(),
            reason: "a variable or figure that cannot be".to_owned(),
        })
    }
    /// Whether a site is inside a region. What is outside everything (`None`) is in none.
    pub fn inside(&self, region: usize, site: Option<usize>) -> bool {
        site.is_some_and(|s| self.regions[region].sites.binary_search(&s).is_ok())
    }
    /// The position of a site among a unit's choices.
    pub fn choice_of(&self, unit: usize, site: usize) -> Option<usize> {
        self.units[unit].choices.iter().position(|c| c.site == site)
    }
}
