"""Compare two answers in four lines: `python examples/compare_two_answers.py`."""

from inform_demo import load_scorer

scorer = load_scorer()
comparison = scorer.compare("What is the capital of Australia?", "Canberra.", "I like kangaroos.")
print(f"preferred: {comparison.preferred}, margin {comparison.margin:+.2f}")
print(f"reward of A {comparison.reward_a:.2f}, of B {comparison.reward_b:.2f}")
