//! Where the jumps of the personalised PageRank go.

use super::{Metric, Params};
use crate::studies::projection::Part;
use crate::studies::{StudyError, lookup};

impl Params {
    fn is_personalized(&self) -> bool {
        !self.sources.is_empty() || self.sources_where.is_some() || self.sources_weight.is_some()
    }

    /// Jump mass by node of `part`; `None`: not personalised.
    pub(super) fn teleport(&self, part: &Part) -> Result<Option<Vec<f64>>, StudyError> {
        if !self.is_personalized() {
            if self.metrics.contains(&Metric::PersonalizedPageRank) {
                return Err(StudyError::Unfit(
                    "`personalized_pagerank` needs --sources, --sources-where or --sources-weight".into(),
                ));
            }
            return Ok(None);
        }
        let is_everybody = self.sources.is_empty() && self.sources_where.is_none();
        let mut teleport = vec![f64::from(is_everybody); part.nodes.len()];
        for source in lookup::nodes(part.graph, &self.sources)? {
            let own = part.nodes.binary_search(&source).map_err(|_| {
                StudyError::Unfit(format!("the source `{}` has none of the --labels", part.graph.uid(source)))
            })?;
            teleport[own] = 1.0;
        }
        if let Some(condition) = &self.sources_where {
            let holds = part.graph.nodes_where(condition)?;
            for (mass, v) in teleport.iter_mut().zip(&part.nodes) {
                *mass = mass.max(f64::from(holds[v.index()]));
            }
        }
        if let Some(weight) = &self.sources_weight {
            let weights = part.graph.node_numbers(weight)?;
            for (mass, v) in teleport.iter_mut().zip(&part.nodes) {
                *mass *= weights[v.index()];
            }
            if let Some(at) = teleport.iter().position(|&mass| mass < 0.0) {
                return Err(StudyError::Unfit(format!(
                    "`{}` has the weight {} by --sources-weight; jumps need weights of at least 0",
                    part.graph.uid(part.nodes[at]),
                    teleport[at]
                )));
            }
        }
        let greatest = teleport.iter().copied().fold(0.0, f64::max);
        if greatest == 0.0 && !part.nodes.is_empty() {
            return Err(StudyError::Unfit(
                "no node is left for the jumps to go to by --sources-where and --sources-weight".into(),
            ));
        }
        // So that no sum of them is beyond all numbers.
        for mass in &mut teleport {
            *mass /= greatest;
        }
        Ok(Some(teleport))
    }
}
