//! Answers that are weighed: how probable one is to each of several generations, in the passes that others' answers are written in.

use super::generations::Generations;
use crate::pipeline::model_requests::ScoreRequest;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind, Result};
use seald_engine::generate::Generated;
use seald_engine::running::Running;

/// Those under way.
#[derive(Default)]
pub(super) struct Weighings {
    waiting: Vec<Weighed>,
}

struct Weighed {
    weighing: ScoreRequest,
    /// One for each generation: the row that weighs it while it is under way, and the sum of ln p then.
    rows: Vec<(Option<usize>, Option<f64>)>,
}

impl Weighed {
    /// Ends the rows that are still under way.
    fn cancel(&self, running: &mut Running<'_>) {
        self.rows.iter().filter_map(|(row, _)| *row).for_each(|row| running.remove(row));
    }
}

impl Weighings {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes one up with rows from `next` on, which are numbered up to what is returned; one that cannot be weighed is told so. `row` holds question and
    /// answer, and where the answer begins.
    pub(super) fn begin(
        &mut self,
        weighing: ScoreRequest,
        row: Result<(Vec<u32>, usize)>,
        next: usize,
        running: &mut Running<'_>,
        generations: &mut Generations<'_>,
    ) -> usize {
        let mut rows = Vec::with_capacity(weighing.generations.len());
        let begun = row.and_then(|(tokens, first)| {
            for id in &weighing.generations {
                rows.push((begin(running, generations, next + rows.len(), &tokens, first, *id)?, None));
            }
            Ok(())
        });
        let end = next + weighing.generations.len();
        match begun {
            Ok(()) => {
                self.waiting.push(Weighed { weighing, rows });
                self.tell();
            }
            Err(error) => {
                (next..end).for_each(|row| running.remove(row));
                let _ = weighing.reply.send(Err(error));
            }
        }
        end
    }

    /// Takes the result of a row; gives back that of a row that is none of these. One that fails ends the others of its weighing.
    pub(super) fn end(
        &mut self,
        row: usize,
        result: Result<Generated>,
        running: &mut Running<'_>,
    ) -> Option<Result<Generated>> {
        let place = |(at, one): (usize, &Weighed)| {
            one.rows.iter().position(|(own, _)| *own == Some(row)).map(|generation| (at, generation))
        };
        let Some((at, generation)) = self.waiting.iter().enumerate().find_map(place) else {
            return Some(result);
        };
        match result {
            Ok(weighed) => {
                let sum = weighed.log_probs.iter().map(|log_prob| f64::from(*log_prob)).sum();
                self.waiting[at].rows[generation] = (None, Some(sum));
                self.tell();
            }
            Err(error) => {
                let failed = self.waiting.swap_remove(at);
                failed.cancel(running);
                let _ = failed.weighing.reply.send(Err(error));
            }
        }
        None
    }

    /// Tells those that are whole.
    fn tell(&mut self) {
        for whole in self.waiting.extract_if(.., |one| one.rows.iter().all(|(row, _)| row.is_none())) {
            // Whoever has gone wants nothing.
            let _ = whole.weighing.reply.send(Ok(whole.rows.into_iter().map(|(_, sum)| sum).collect()));
        }
    }

    /// Ends those whose readers have gone.
    pub(super) fn let_go(&mut self, running: &mut Running<'_>) {
        for gone in self.waiting.extract_if(.., |one| one.weighing.reply.is_closed()) {
            gone.cancel(running);
        }
    }

    /// Nothing under way will end.
    pub(super) fn fail(&mut self, error: &Error) {
        for one in self.waiting.drain(..) {
            let _ = one.weighing.reply.send(Err(Error::new(error.kind(), error.to_string())));
        }
    }
}

/// Begins the row of one generation; none where its files are gone, or the model cannot take question and answer together.
fn begin(
    running: &mut Running<'_>,
    generations: &mut Generations<'_>,
    row: usize,
    tokens: &[u32],
    first: usize,
    id: GenerationId,
) -> Result<Option<usize>> {
    let adapter = match generations.choose(Some(id), |adapter| running.uses(adapter)) {
        Ok((_, adapter)) => adapter,
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match running.weigh(row, tokens.to_vec(), first, adapter) {
        Ok(()) => Ok(Some(row)),
        Err(error) if error.kind() == Kind::Invalid => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use seald_engine::kernels::cpu::Isa;
    use seald_engine::kernels::{Compute, Precision};
    use seald_engine::running::Bounds;
    use seald_learn::Model;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn what_fails_in_one_row_is_not_read_to_the_end_in_the_others() {
        let compute = Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap();
        let model = Model::open(Path::new("nano"), &compute).unwrap();
        let bounds = Bounds { prefill_tokens: 1, pass_time: None, batch_rows: 4 };
        let mut running = Running::new(&model.decoder, None, bounds);
        let (reply, mut told) = oneshot::channel();
        let (question, answer) = ("Who?".to_string(), "He.".to_string());
        let weighing = ScoreRequest { question, answer, generations: vec![GenerationId(1); 3], reply };
        let rows = (7..10).map(|row| {
            running.weigh(row, vec![1, 2, 3, 4], 2, None).unwrap();
            (Some(row), None)
        });
        let mut weighings = Weighings { waiting: vec![Weighed { weighing, rows: rows.collect() }] };
        running.weigh(10, vec![1, 2, 3, 4], 2, None).unwrap();
        running.remove(8);
        assert!(weighings.end(8, Err(Error::new(Kind::Internal, "broke")), &mut running).is_none());
        assert_eq!(running.rows(), 1, "somebody else's goes on");
        assert!(weighings.is_empty());
        assert!(told.try_recv().unwrap().unwrap_err().to_string().contains("broke"));
    }
}
