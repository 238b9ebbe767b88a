//! Names of the vocabulary in rows that are kept aside: one byte each where the vocabulary declares them.

use std::sync::{Arc, LazyLock};

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Label, Relation};

/// Labels beside the vertex, and the systems that rows come from.
const FURTHER: [&str; 7] = ["Artist", "Contact", "Fan", "directus", "touchpoints", "twenty", "unified"];

/// Every declared name once, in byte order.
static DECLARED: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let of_labels = Label::ALL.iter().flat_map(|label| label.properties()).map(|property| property.name);
    let of_relations = Relation::ALL.iter().flat_map(|relation| relation.properties()).map(|p| p.name);
    let mut names: Vec<&str> = of_labels.chain(of_relations).chain(FURTHER).collect();
    names.sort_unstable();
    names.dedup();
    names
});

/// How the name of a property, label or system is held.
pub trait Name: AsRef<str> + Sized {
    /// Writes it.
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Reads it back.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// A name that the vocabulary declares.
impl Name for &'static str {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let at = DECLARED.binary_search(self);
        let at = at.map_err(|_| S::Error::custom(format!("`{self}` is not in the ontology")))?;
        to.serialize_u8(u8::try_from(at).expect("the vocabulary has fewer than 256 names"))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let at = usize::from(u8::deserialize(from)?);
        DECLARED.get(at).copied().ok_or_else(|| D::Error::custom("a name that the ontology lacks"))
    }
}

/// Any name.
impl Name for Arc<str> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Into::into)
    }
}

/// A name inside something else: borrowed to be written, owned when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<N>(pub N);

impl<N: Name> Serialize for Held<&N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

impl<'de, N: Name> Deserialize<'de> for Held<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        N::read(from).map(Self)
    }
}

/// `serde(with)` of one name.
pub mod one {
    use super::{Deserializer, Name, Serializer};

    /// Writes it.
    pub fn serialize<N: Name, S: Serializer>(name: &N, to: S) -> Result<S::Ok, S::Error> {
        name.write(to)
    }

    /// Reads it back.
    pub fn deserialize<'de, N: Name, D: Deserializer<'de>>(from: D) -> Result<N, D::Error> {
        N::read(from)
    }
}

/// `serde(with)` of a list of names.
pub mod list {
    use super::{Deserialize, Deserializer, Held, Name, Serializer};

    /// Writes it.
    pub fn serialize<N: Name, S: Serializer>(names: &[N], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(names.iter().map(Held))
    }

    /// Reads it back.
    pub fn deserialize<'de, N: Name, D: Deserializer<'de>>(from: D) -> Result<Vec<N>, D::Error> {
        Ok(Vec::<Held<N>>::deserialize(from)?.into_iter().map(|held| held.0).collect())
    }
}

/// `serde(with)` of named values.
pub mod pairs {
    use super::{Deserialize, Deserializer, Held, Name, Serialize, Serializer};

    /// Writes them.
    pub fn serialize<N: Name, V: Serialize, S: Serializer>(
        pairs: &[(N, V)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(pairs.iter().map(|(name, value)| (Held(name), value)))
    }

    /// Reads them back.
    pub fn deserialize<'de, N: Name, V: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(N, V)>, D::Error> {
        let pairs = Vec::<(Held<N>, V)>::deserialize(from)?;
        Ok(pairs.into_iter().map(|(held, value)| (held.0, value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_enough_names_for_a_byte_and_no_two_are_one() {
        assert!(DECLARED.len() < 256);
        assert!(DECLARED.is_sorted_by(|a, b| a < b));
        assert!(FURTHER.iter().all(|name| DECLARED.contains(name)));
    }
}
