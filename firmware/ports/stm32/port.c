/* The part of the port that is the same in every STM32 family. */
#include "bench_port.h"
#include "board.h"
#include "board_port.h"
#include "cycle_counter.h"
#include "family_registers.h"
#include "port_options.h"
#include "stm32.h"

static port_conditions_t conditions;

uint32_t slow_timer_read(void) { return REG(TIM2, CNT); }

/* One tick per SLOW_TICK_CYCLES core cycles. The timer's clock is the core's divided by a power of two. */
static void slow_timer_start(const stm32_clocks_t *clocks) {
    const uint32_t core_cycles_per_timer_cycle = clocks->core_hz / clocks->timer_hz;
    REG(TIM2, CR1) = 0;
    REG(TIM2, PSC) = SLOW_TICK_CYCLES / core_cycles_per_timer_cycle - 1u;
    REG(TIM2, ARR) = 0xFFFFFFFFu;
    REG(TIM2, EGR) = TIM2_EGR_UG; /* loads the prescaler, clears the count */
    REG(TIM2, CR1) = TIM2_CR1_CEN;
}

static void pin_to_usart(uint32_t port, uint32_t pin, uint32_t function) {
    const uint32_t gpio = GPIOA_BASE + port * GPIO_STEP;
    volatile uint32_t *const afr = &REG_AT(gpio + (pin < 8u ? GPIO_AFRL : GPIO_AFRH));
    const uint32_t two = pin * 2u, four = (pin % 8u) * 4u;
    *afr = (*afr & ~(0xFu << four)) | (function << four);
    REG_AT(gpio + GPIO_OSPEEDR) = (REG_AT(gpio + GPIO_OSPEEDR) & ~(3u << two)) | (GPIO_OSPEEDR_MEDIUM << two);
    REG_AT(gpio + GPIO_PUPDR) = (REG_AT(gpio + GPIO_PUPDR) & ~(3u << two)) | (GPIO_PUPDR_UP << two);
    REG_AT(gpio + GPIO_MODER) = (REG_AT(gpio + GPIO_MODER) & ~(3u << two)) | (GPIO_MODER_ALTERNATE << two);
}

/* No emulated number may pass for a measured one. */
static bool emulated(void) {
#if PORT_HAS_NO_UID
    return true; /* a machine without that register: only emulators are */
#else
    static const char text[] = BENCH_EMULATED_UID;
    for (uint32_t i = 0; i < sizeof text - 1u; ++i) {
        const uint32_t word = REG_AT(BOARD_UID_REGISTER + (i & ~3u));
        if ((uint8_t)(word >> (8u * (i % 4u))) != (uint8_t)text[i]) {
            return false;
        }
    }
    return true;
#endif
}

#if PORT_WATCHDOG
/* The longest time it has, about 32 s. Off unless the build asks for it: it cannot be stopped once started, and an
 * inference that takes longer would be a reset. */
static void watchdog_start(void) {
    REG(IWDG, KR) = IWDG_KR_START;
    REG(IWDG, KR) = IWDG_KR_UNLOCK;
    REG(IWDG, PR) = IWDG_PR_DIV256;
    REG(IWDG, RLR) = IWDG_RLR_MAX;
    REG(IWDG, KR) = IWDG_KR_RELOAD;
}

void port_watchdog_kick(void) { REG(IWDG, KR) = IWDG_KR_RELOAD; }
#else
void port_watchdog_kick(void) {}
#endif

void port_init(void) {
    conditions.reset_cause = stm32_reset_cause();
    conditions.clock_fallback = !stm32_clocks_start();
    const stm32_clocks_t clocks = stm32_clocks_read();
    conditions.core_clock_hz = clocks.core_hz;
    stm32_caches_start();
    stm32_caches_read(&conditions);
    stm32_peripherals_enable();
    pin_to_usart(PORT_TX_PORT, PORT_TX_PIN, PORT_TX_FUNCTION);
    pin_to_usart(PORT_RX_PORT, PORT_RX_PIN, PORT_RX_FUNCTION);
    stm32_usart_start(clocks.usart_hz);
    slow_timer_start(&clocks);
    conditions.counter_running = cycle_counter_start();
    conditions.chip_id = (uint16_t)(REG(DBGMCU, IDCODE) & DBGMCU_IDCODE_DEV_ID);
    conditions.fidelity = emulated() ? BENCH_FIDELITY_EMULATED : BENCH_FIDELITY_MEASURED;
    conditions.time_scale_permille = conditions.fidelity == BENCH_FIDELITY_EMULATED ? 0u : 1000u;
#if PORT_WATCHDOG
    watchdog_start();
#endif
}

const port_conditions_t *port_conditions(void) { return &conditions; }
