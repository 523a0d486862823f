"""What a run learned and how well: metrics of a split, the HTML report, comparisons, plots."""
