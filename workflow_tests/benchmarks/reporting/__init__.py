"""What both benchmarks need to write down their results: intervals, tables, the page, the machine, plots."""
