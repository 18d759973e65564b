"""Right or wrong, and how sure a share is."""

import math
import re
import string


def normal(text: str) -> str:
    """Lower case, without articles and punctuation."""
    text = text.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(word for word in re.split(r"\s+", text) if word not in ("a", "an", "the", ""))


def same(said: str, answer: str) -> bool:
    """Whether two short answers agree."""
    return normal(said) == normal(answer)


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if total == 0:
        return 0.0, 1.0
    share = right / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, (middle - spread) / (1 + z * z / total)), min(1.0, (middle + spread) / (1 + z * z / total))


def share(hits: list[bool]) -> dict:
    """A share with its count and interval, rounded for the card."""
    low, high = wilson(sum(hits), len(hits))
    return {"share": round(sum(hits) / max(1, len(hits)), 4), "n": len(hits), "low": round(low, 4), "high": round(high, 4)}
