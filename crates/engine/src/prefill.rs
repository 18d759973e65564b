//! How much of the prompts that are being read the next pass takes.
//!
//! Where people wait for each other, a pass has a time, and the prompts share what can be read in it: a long prompt holds up neither what is being written nor
//! a short prompt that came later. Else the first that came is read first, for what is read whole can be continued beside the reading of the others.

use std::time::Duration;

/// Fewest tokens that a pass reads: so many take hardly longer than one, for both wait for the weights.
const LEAST: usize = 16;

/// The tokens of prompts that a pass may read.
#[derive(Debug)]
pub(super) struct Prefill {
    most: usize,
    /// Time that a pass is to take.
    pass_time: Option<Duration>,
    /// Tokens for the next pass.
    room: usize,
}

impl Prefill {
    /// At most so many a pass, and no more than are read in `pass_time`, if it is given: found from the passes themselves, from few tokens on.
    pub(super) fn new(most: usize, pass_time: Option<Duration>) -> Self {
        let most = most.max(1);
        let room = if pass_time.is_some() { LEAST.min(most) } else { most };
        Self { most, pass_time, room }
    }

    /// Most tokens of a pass, whatever its time.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How much the next pass reads of each prompt, of which so many tokens are `unread`, the first that came first.
    pub(super) fn shares(&self, unread: &[usize]) -> Vec<usize> {
        let (mut shares, mut room) = (vec![0; unread.len()], self.room);
        let mut by_length: Vec<usize> = (0..unread.len()).collect();
        if self.pass_time.is_some() {
            by_length.sort_by_key(|prompt| unread[*prompt]);
        }
        for (before, &prompt) in by_length.iter().enumerate() {
            // What a short prompt leaves of its share is the others'.
            let share = match self.pass_time {
                Some(_) => room.div_ceil(unread.len() - before),
                None => room,
            };
            shares[prompt] = share.min(unread[prompt]);
            room -= shares[prompt];
        }
        shares
    }

    /// Takes in how long a pass took that read so many tokens of prompts.
    pub(super) fn took(&mut self, read: usize, time: Duration) {
        let Some(wanted) = self.pass_time else { return };
        let fits = self.room as f64 * wanted.as_secs_f64() / time.as_secs_f64().max(1e-9);
        // A pass that was not full says nothing of a full one, unless it took too long already.
        if read >= self.room || fits < self.room as f64 {
            self.room = (fits as usize).clamp(LEAST, 2 * self.room).clamp(1, self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Duration = Duration::from_millis(100);

    #[test]
    fn without_a_time_the_first_is_read_first() {
        let prefill = Prefill::new(10, None);
        assert_eq!(prefill.shares(&[4, 30, 2]), [4, 6, 0]);
        assert_eq!(prefill.shares(&[]), [0; 0]);
    }

    #[test]
    fn with_a_time_a_short_prompt_waits_for_no_long_one() {
        let mut prefill = Prefill::new(256, Some(WANTED));
        assert_eq!(prefill.shares(&[3000, 5, 3000]), [6, 5, 5], "what the short one leaves is the others'");
        prefill.took(16, WANTED / 2);
        assert_eq!(prefill.shares(&[3000, 5, 3000]), [14, 5, 13]);
        assert_eq!(prefill.shares(&[3000; 40]).iter().sum::<usize>(), 32, "more prompts than tokens");
    }

    #[test]
    fn a_pass_takes_its_time() {
        let mut prefill = Prefill::new(256, Some(WANTED));
        // A machine that reads 1,000 tokens a second.
        for _ in 0..9 {
            let read = prefill.shares(&[5000])[0];
            prefill.took(read, Duration::from_millis(read as u64));
        }
        assert_eq!(prefill.shares(&[5000]), [100]);
        prefill.took(3, Duration::from_millis(40));
        assert_eq!(prefill.shares(&[5000]), [100], "a short prompt says nothing of a full pass");
        prefill.took(3, Duration::from_millis(400));
        assert_eq!(prefill.shares(&[5000]), [25], "unless it took too long");
        for _ in 0..20 {
            prefill.took(256, Duration::from_micros(1));
        }
        assert_eq!(prefill.shares(&[5000]), [256]);
        prefill.took(256, Duration::from_secs(60));
        assert_eq!(prefill.shares(&[5000]), [LEAST]);
    }
}
