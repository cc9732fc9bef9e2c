"""How good the answers are: datasets, metrics, reports and gates, over the chat that ships."""
