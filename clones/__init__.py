"""The clones: daemons that serve task types, and the engines behind them."""
