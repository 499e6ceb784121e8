package dev.larder.support

import org.junit.rules.TestRule
import org.junit.runner.Description
import org.junit.runners.model.Statement

/** [TestServers] for JUnit 4: stopped after the test, or after the test class as a class rule. */
class TestServersRule :
    TestServers(),
    TestRule {
    override fun apply(base: Statement, description: Description): Statement = object : Statement() {
        override fun evaluate() = use { base.evaluate() }
    }
}
