package dev.larder.support

import org.junit.jupiter.api.extension.AfterEachCallback
import org.junit.jupiter.api.extension.ExtensionContext

/** [TestServers] for JUnit Jupiter: stopped after each test. */
class TestServersExtension :
    TestServers(),
    AfterEachCallback {
    override fun afterEach(context: ExtensionContext) = close()
}
