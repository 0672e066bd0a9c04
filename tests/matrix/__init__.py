"""The state × command matrix: real tasks and the real engine, over programs that stand in for the JVMs."""
