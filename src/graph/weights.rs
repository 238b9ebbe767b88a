//! Weights of edges: in four bytes each where that loses nothing, else in eight.

use polars_buffer::Buffer;

use super::adjacency::placed;

/// One weight per edge, or 1 for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Weights {
    /// Every edge weighs 1.
    #[default]
    One,
    /// In four bytes each.
    Single(Buffer<f32>),
    /// In eight bytes each.
    Double(Buffer<f64>),
}

impl Weights {
    /// Exactly these weights, none for 1 each: in single precision where every one of them is the same there. O(edges).
    ///
    /// ```
    /// use sonograph::graph::Weights;
    ///
    /// assert!(matches!(Weights::exact(vec![0.5, 3.0]), Weights::Single(_)));
    /// let tenths = Weights::exact(vec![0.5, 1.6]);
    /// assert!(matches!(tenths, Weights::Double(_)) && tenths.of(1) == 1.6);
    /// assert_eq!(tenths.rounded().of(1), 1.600000023841858);
    /// ```
    pub fn exact(values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Self::One;
        }
        if values.iter().all(|&value| f64::from(value as f32).to_bits() == value.to_bits()) {
            return Self::Single(values.iter().map(|&value| value as f32).collect());
        }
        Self::Double(values.into())
    }

    /// The same weights, each as the nearest number of single precision: half the memory, for a kernel that asks for it.
    #[must_use]
    pub fn rounded(&self) -> Self {
        match self {
            Self::Double(values) => Self::Single(values.iter().map(|&value| value as f32).collect()),
            other => other.clone(),
        }
    }

    /// What an edge weighs.
    ///
    /// # Panics
    ///
    /// When there are weights, and none of this edge.
    pub fn of(&self, edge: u32) -> f64 {
        match self {
            Self::One => 1.0,
            Self::Single(values) => f64::from(values[edge as usize]),
            Self::Double(values) => values[edge as usize],
        }
    }

    /// Number of weights; `None`: any number of ones.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::One => None,
            Self::Single(values) => Some(values.len()),
            Self::Double(values) => Some(values.len()),
        }
    }

    /// Bytes they lie in.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::One => 0,
            Self::Single(values) => size_of_val(&**values),
            Self::Double(values) => size_of_val(&**values),
        }
    }

    /// Weights of a list, in the order of the edges its entries became.
    pub(super) fn placed(self, edge_of: &[u32]) -> Self {
        match self {
            Self::One => Self::One,
            Self::Single(values) => Self::Single(placed(edge_of, &values).into()),
            Self::Double(values) => Self::Double(placed(edge_of, &values).into()),
        }
    }

    /// The weights of these edges, in their order.
    pub(super) fn chosen(&self, edges: &[u32]) -> Self {
        match self {
            Self::One => Self::One,
            Self::Single(values) => Self::Single(edges.iter().map(|&edge| values[edge as usize]).collect()),
            Self::Double(values) => Self::Double(edges.iter().map(|&edge| values[edge as usize]).collect()),
        }
    }
}
