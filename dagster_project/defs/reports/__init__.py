"""Published marts, the run's summary and the exports."""
